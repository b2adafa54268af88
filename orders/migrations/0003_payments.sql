-- The payment of a recorded order. What is `authorised` here is still to be captured.
create table payment (
    order_id uuid primary key,
    provider text not null,
    -- The provider's own id; null where its answer was lost, it is then found by the order's id.
    reference text,
    state text not null check (state in ('authorised', 'captured', 'voided', 'failed')),
    amount bigint not null check (amount >= 0),
    currency char(3) not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    -- Pushed back after each attempt that came to nothing.
    due_at timestamptz not null default now(),
    attempts integer not null default 0
);
create index payment_to_capture on payment (due_at) where state = 'authorised';

-- Webhook events that were taken. Kept longer than a signature is good for.
create table payment_event (
    provider text not null,
    id text not null,
    expires_at timestamptz not null,
    primary key (provider, id)
);
create index payment_event_expired on payment_event (expires_at);

-- Which checkout of a shopper holds stock while it is paid for: a newer one replaces it.
create table payment_hold (
    shopper_id uuid primary key,
    order_id uuid not null,
    noted_at timestamptz not null default now()
);
