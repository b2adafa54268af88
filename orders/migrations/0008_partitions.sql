-- no-transaction
-- Contract: orders and their items lie in a partition for each month of `placed_at`, with keys (id, placed_at). The time of an order is decided once,
-- in the inventory's log, so that the pair names one order for ever.
--
-- The old tables become the first partition as they are: no row is moved, and none is read under a lock that keeps writers out. What that needs was
-- made before, beside the work of others: the times of the items (0002), the indexes (`database/indexes.rs` builds them concurrently; here they
-- are built only where nobody did, as in an empty database), and here a constraint on each table that says what the partition's bounds will.
--
-- One block, because it commits on its way; each step may run twice. No lock is waited for longer than 200 ms, because writers queue behind who
-- waits; the migration fails then, and is tried again.
--
-- A program of the version before reads on afterwards, and records no more: its `on conflict (id)` names a key that is gone. Its checkouts answer 202
-- then, and the reconciler of a program of this version records them.
do $block$
declare
    -- The first month that has a partition of its own. In the old tables nothing lies after it.
    boundary timestamptz;
begin
<<contract>>
begin
    if exists (select from pg_class where oid = to_regclass('shop_order') and relkind = 'p') then
        exit contract;
    end if;

    create unique index if not exists shop_order_id_placed_at on shop_order (id, placed_at);
    create index if not exists shop_order_by_status on shop_order (status, placed_at, id);
    create unique index if not exists order_item_id_placed_at on order_item (order_id, position, placed_at);
    create index if not exists outbox_in_order on outbox (transaction_id, id);
    create index if not exists cart_idle on cart (touched_on, shopper_id);
    create index if not exists session_end on session (expires_at);
    commit;

    -- This month and the next: orders go on while this is done, also at the end of a month.
    set local timezone = 'UTC';
    select date_trunc('month', greatest(now(), max(placed_at))) + interval '2 months' into boundary from shop_order;
    commit;
    set local lock_timeout = '200ms';
    alter table shop_order drop constraint if exists shop_order_first_months;
    execute format('alter table shop_order add constraint shop_order_first_months check (placed_at < %L) not valid', boundary);
    commit;
    set local lock_timeout = '200ms';
    alter table order_item drop constraint if exists order_item_first_months;
    execute format('alter table order_item add constraint order_item_first_months
        check (placed_at is not null and placed_at < %L) not valid', boundary);
    commit;
    alter table shop_order validate constraint shop_order_first_months;
    commit;
    alter table order_item validate constraint order_item_first_months;
    commit;

    -- From here on everything is one short transaction.
    set local lock_timeout = '200ms';
    set local timezone = 'UTC';
    lock table shop_order in access exclusive mode;
    lock table order_item in access exclusive mode;

    drop trigger order_item_placed_at on order_item;
    drop function order_item_placed_at;
    alter table order_item alter column placed_at set not null;
    alter table order_item drop constraint order_item_order_id_fkey, drop constraint order_item_pkey;
    alter table order_item add constraint order_item_first_pkey primary key using index order_item_id_placed_at;
    alter table order_item rename to order_item_first;
    alter index order_item_by_sku rename to order_item_first_by_sku;
    alter table shop_order drop constraint shop_order_pkey;
    alter table shop_order add constraint shop_order_first_pkey primary key using index shop_order_id_placed_at;
    alter table shop_order rename to shop_order_first;
    alter index shop_order_history rename to shop_order_first_history;
    alter index shop_order_by_status rename to shop_order_first_by_status;

    create table shop_order (like shop_order_first including defaults including constraints, primary key (id, placed_at))
        partition by range (placed_at);
    alter table shop_order drop constraint shop_order_first_months;
    create index shop_order_history on shop_order (shopper_id, placed_at desc, id desc);
    create index shop_order_by_status on shop_order (status, placed_at, id);
    -- No foreign key: one statement writes an order and its items, nothing deletes either, and `chaos audit` compares both.
    create table order_item (like order_item_first including constraints, primary key (order_id, position, placed_at))
        partition by range (placed_at);
    alter table order_item drop constraint order_item_first_months;
    create index order_item_by_sku on order_item (sku) include (quantity);
    execute format('alter table shop_order attach partition shop_order_first for values from (minvalue) to (%L)', boundary);
    execute format('alter table order_item attach partition order_item_first for values from (minvalue) to (%L)', boundary);
    -- Safety net: an order is recorded also when nobody made its month.
    create table shop_order_default partition of shop_order default;
    create table order_item_default partition of order_item default;

    -- Makes partitions of `parent` for `months` months, from the one of `first` on; gives how many were made. One caller at a time: another is
    -- told 0. Rows that fell into the safety net meanwhile move to their month.
    create function make_months(parent text, first timestamptz, months integer) returns integer
    language plpgsql set timezone = 'UTC' set lock_timeout = '200ms' as $function$
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
    commit;
end contract;

    -- What the version before wrote about an order and was not told yet had another shape, with the address in it. It writes no more of them.
    update outbox set payload = jsonb_build_object('order_id', outbox.key, 'shopper_id', placed.shopper_id, 'lines', outbox.payload -> 'lines',
            'total', outbox.payload -> 'total', 'placed_at', outbox.payload -> 'placed_at')
        from shop_order placed
        where outbox.topic = 'orders.order-placed.v1' and outbox.payload ? 'delivery_address' and placed.id = outbox.key::uuid;
end $block$;
