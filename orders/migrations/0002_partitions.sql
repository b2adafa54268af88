-- no-transaction
-- Orders and their items lie in a partition for each month of `placed_at`, with keys (id, placed_at): the time of an order is decided once, in
-- the inventory's log, so that the pair names one order for ever.
--
-- One block, because it commits on its way; each step may run twice, so a start that was interrupted begins again.
--   expand: items learn their order's time, in batches, while programs of the version before go on (a trigger fills what they leave out).
--   contract: the old tables become the first partition as they are, which moves no row and scans none under a lock.
-- What waits: writers, while the two new keys are built (about a second for a million orders). Checkouts answer 202 meanwhile and are recorded
-- afterwards. A program of the version before reads on after the contraction, and records no more: its `on conflict (id)` names a key that is
-- gone. Its checkouts answer 202 then, and the reconciler of a program of this version records them.
do $block$
declare
    -- The first month that has a partition of its own. In the old tables nothing lies after it.
    boundary timestamptz;
    batch uuid[];
    reached uuid := '00000000-0000-0000-0000-000000000000';
begin
    if exists (select from pg_class where oid = to_regclass('shop_order') and relkind = 'p') then
        return;
    end if;

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

    create unique index if not exists shop_order_id_placed_at on shop_order (id, placed_at);
    commit;
    create unique index if not exists order_item_id_placed_at on order_item (order_id, position, placed_at);
    alter table order_item drop constraint if exists order_item_placed;
    alter table order_item add constraint order_item_placed check (placed_at is not null) not valid;
    commit;
    alter table order_item validate constraint order_item_placed;
    commit;

    -- From here on everything is one short transaction. The migration is tried again when somebody holds the tables for longer.
    set local lock_timeout = '1s';
    set local timezone = 'UTC';
    lock table shop_order, order_item in access exclusive mode;
    select date_trunc('month', greatest(now(), max(placed_at))) + interval '1 month' into boundary from shop_order;

    drop trigger order_item_placed_at on order_item;
    drop function order_item_placed_at;
    alter table order_item alter column placed_at set not null;
    alter table order_item
        drop constraint order_item_placed,
        drop constraint order_item_order_id_fkey,
        drop constraint order_item_pkey;
    alter table order_item add constraint order_item_first_pkey primary key using index order_item_id_placed_at;
    alter table order_item rename to order_item_first;
    alter index order_item_by_sku rename to order_item_first_by_sku;
    alter table shop_order drop constraint shop_order_pkey;
    alter table shop_order add constraint shop_order_first_pkey primary key using index shop_order_id_placed_at;
    alter table shop_order rename to shop_order_first;
    alter index shop_order_history rename to shop_order_first_history;

    create table shop_order (like shop_order_first including defaults including constraints, primary key (id, placed_at))
        partition by range (placed_at);
    create index shop_order_history on shop_order (shopper_id, placed_at desc, id desc);
    -- No foreign key: one statement writes an order and its items, nothing deletes either, and `chaos audit` compares both.
    create table order_item (like order_item_first including constraints, primary key (order_id, position, placed_at))
        partition by range (placed_at);
    create index order_item_by_sku on order_item (sku) include (quantity);
    execute format('alter table shop_order attach partition shop_order_first for values from (minvalue) to (%L)', boundary);
    execute format('alter table order_item attach partition order_item_first for values from (minvalue) to (%L)', boundary);
    -- Safety net: an order is recorded also when nobody made its month.
    create table shop_order_default partition of shop_order default;
    create table order_item_default partition of order_item default;

    -- Makes partitions of `parent` for `months` months, from the one of `first` on; gives how many were made. One caller at a time: another is
    -- told 0. Rows that fell into the safety net meanwhile move to their month.
    create function make_months(parent text, first timestamptz, months integer) returns integer
    language plpgsql set timezone = 'UTC' set lock_timeout = '1s' as $function$
    declare
        low timestamptz := date_trunc('month', first);
        high timestamptz;
        made integer := 0;
        name text;
    begin
        if not pg_try_advisory_xact_lock(hashtextextended('months of ' || parent, 0)) then
            return 0;
        end if;
        for nth in 1 .. least(months, 36) loop
            high := low + interval '1 month';
            name := format('%s_%s', parent, to_char(low, 'YYYY_MM'));
            if not exists (
                select from pg_inherits join pg_class part on part.oid = inhrelid,
                    lateral pg_get_expr(part.relpartbound, part.oid) as bounds (text)
                where inhparent = parent::regclass and bounds.text <> 'DEFAULT'
                    and coalesce(substring(bounds.text from 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity') <= low
                    and substring(bounds.text from 'TO \(''([^'']+)''\)')::timestamptz >= high
            ) then
                execute format('lock table %I in access exclusive mode', parent || '_default');
                execute format('create table %I (like %I including all)', name, parent);
                execute format(
                    'with fallen as (delete from %I where placed_at >= %L and placed_at < %L returning *) insert into %I select * from fallen',
                    parent || '_default', low, high, name);
                execute format('alter table %I attach partition %I for values from (%L) to (%L)', parent, name, low, high);
                made := made + 1;
            end if;
            low := high;
        end loop;
        return made;
    end $function$;
end $block$;
