-- The life of an order after it was placed, and what others must learn of it. Everything here only adds: programs of the version before go on.
-- New columns have constant defaults, so that no row is written; the indexes on them are built beside the work of others (see 0008).
set local lock_timeout = '200ms';

-- Where an order stands. `version` counts its transitions; placing it is the first. The facts are in `order_transition`; these two are what
-- lists and locks need of them.
alter table shop_order
    add column status text not null default 'placed',
    add column version integer not null default 1;

-- What was done with an order, by whom and why. Nothing is changed or deleted here. The first row has version 2: placing is the order itself.
create table order_transition (
    order_id uuid not null,
    version integer not null check (version > 1),
    -- What was done, with its quantities and parcel.
    change jsonb not null,
    -- Where the order stood after it.
    status text not null,
    actor text not null,
    reason text,
    at timestamptz not null default now(),
    -- The name that the caller gave to the command, and SHA-256 of its content.
    command_key text,
    fingerprint bytea,
    primary key (order_id, version)
);
create unique index order_transition_command on order_transition (order_id, command_key) where command_key is not null;

-- What a transition must bring about elsewhere: units back into stock, money back to the shopper. Repeated until done.
create table order_effect (
    -- Derived from order, transition and line: the other side decides it once, by this name.
    id uuid primary key,
    order_id uuid not null,
    version integer not null,
    kind text not null check (kind in ('restock', 'refund')),
    -- What to do; what was found out on the way (where units go) is written down here before it is done.
    body jsonb not null,
    attempts integer not null default 0,
    next_attempt_at timestamptz not null default now(),
    last_error text,
    done_at timestamptz,
    -- What came of it.
    result jsonb
);
create index order_effect_pending on order_effect (next_attempt_at) where done_at is null;
create index order_effect_by_order on order_effect (order_id);

-- Events in the order in which their transactions began to write: whoever reads only below the oldest transaction that is still under way
-- misses none. Rows that are there already get the number of this migration's own transaction.
alter table outbox
    add column transaction_id bigint not null default (pg_current_xact_id()::text::bigint),
    -- Version of the order that the event tells of.
    add column sequence integer not null default 1;
-- Rows go as fast as they come.
alter table outbox set (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

-- How far each sink has been told.
create table outbox_sink (
    name text primary key,
    transaction_id bigint not null default 0,
    row_id bigint not null default 0,
    -- Events that went before it was told, because the outbox was full; and when last.
    missed bigint not null default 0,
    missed_at timestamptz,
    updated_at timestamptz not null default now()
);

-- Events that a sink refused for good, and what came after them for the same order.
create table outbox_parked (
    sink text not null,
    row_id bigint not null,
    topic text not null,
    key text not null,
    sequence integer not null,
    payload jsonb not null,
    created_at timestamptz not null,
    reason text not null,
    parked_at timestamptz not null default now(),
    -- An operator asked for it to be tried again.
    is_replayed boolean not null default false,
    primary key (sink, row_id)
);
create index outbox_parked_by_order on outbox_parked (sink, key, row_id);
create index outbox_parked_replayed on outbox_parked (sink, row_id) where is_replayed;
