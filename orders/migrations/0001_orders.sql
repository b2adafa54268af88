create table shopper (
    id uuid primary key,
    -- Lower case; null for a guest.
    email text unique,
    phone_number text,
    created_at timestamptz not null default now()
);

-- Tokens are stored hashed (SHA-256): who reads this table cannot use a session.
create table session (
    token_hash bytea primary key,
    shopper_id uuid not null references shopper (id),
    expires_at timestamptz not null
);

create table cart (
    shopper_id uuid primary key,
    version bigint not null,
    lines jsonb not null,
    updated_at timestamptz not null default now()
);

create table shop_order (
    id uuid primary key,
    shopper_id uuid not null,
    idempotency_key text not null,
    -- SHA-256 of the request's content, so that a key cannot be used for another one.
    fingerprint bytea not null,
    total_amount bigint not null,
    currency char(3) not null,
    delivery_address jsonb not null,
    placed_at timestamptz not null,
    recorded_at timestamptz not null default now()
);
create index shop_order_history on shop_order (shopper_id, placed_at desc, id desc);

create table order_item (
    order_id uuid not null references shop_order (id),
    position integer not null,
    sku text not null,
    quantity bigint not null check (quantity > 0),
    unit_amount bigint not null,
    primary key (order_id, position)
);
create index order_item_by_sku on order_item (sku) include (quantity);

-- What others must learn of; written with the order, delivered later.
create table outbox (
    id bigint generated always as identity primary key,
    topic text not null,
    key text not null,
    payload jsonb not null,
    created_at timestamptz not null default now()
);
