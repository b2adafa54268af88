-- no-transaction
-- Expand, for the partitions of 0008: items learn their order's time, in batches, while programs of the version before go on (a trigger fills what
-- they leave out). One block, because it commits on its way; each step may run twice, so a start that was interrupted begins again.
do $block$
declare
    batch uuid[];
    reached uuid := '00000000-0000-0000-0000-000000000000';
begin
    -- Contracted already.
    if exists (select from pg_class where oid = to_regclass('shop_order') and relkind = 'p') then
        return;
    end if;

    set local lock_timeout = '200ms';
    alter table order_item add column if not exists placed_at timestamptz;
    create or replace function order_item_placed_at() returns trigger language plpgsql as $function$
    begin
        new.placed_at := coalesce(new.placed_at, (select placed_at from shop_order where id = new.order_id));
        return new;
    end $function$;
    create or replace trigger order_item_placed_at before insert on order_item
        for each row execute function order_item_placed_at();
    commit;

    -- By id, so that each batch begins where the last one ended. Items written meanwhile have their time from the trigger.
    loop
        select array_agg(id order by id) into batch
            from (select id from shop_order where id > reached order by id limit 5000) next;
        exit when batch is null;
        update order_item item set placed_at = placed.placed_at
            from shop_order placed
            where item.order_id = any(batch) and placed.id = item.order_id and item.placed_at is null;
        reached := batch[cardinality(batch)];
        commit;
    end loop;
end $block$;
