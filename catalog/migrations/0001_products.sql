-- Products as imported. Options, images and option values are read and written as a whole with their product, so they are JSON.
create table product (
    id uuid primary key,
    handle text not null unique,
    position bigint generated always as identity unique,
    title text not null,
    description text not null,
    vendor text,
    category text,
    tags text[] not null,
    options jsonb not null,
    images jsonb not null,
    content_hash bytea not null,
    updated_at timestamptz not null default now()
);

create table variant (
    sku text primary key,
    product_id uuid not null references product (id) on delete cascade,
    position integer not null,
    title text not null,
    options jsonb not null,
    price_amount bigint not null check (price_amount >= 0),
    compare_at_amount bigint check (compare_at_amount >= 0),
    currency char(3) not null,
    image jsonb
);
create index variant_by_product on variant (product_id, position);

-- Every change of a product, in the order of its SQL commit: writers take the lock on the counter's row.
create table change_counter (only_row boolean primary key default true check (only_row), last bigint not null);
insert into change_counter (last) values (0);
create table product_change (
    sequence bigint primary key,
    product_id uuid not null
);
