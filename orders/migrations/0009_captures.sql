-- For an empty database; elsewhere they are built beside the work of others before this (see `database/indexes.rs`).
set local lock_timeout = '200ms';
create index if not exists payment_due on payment (provider, due_at) where state = 'authorised';
-- What waits for its capture or for an operator.
create index if not exists payment_by_state on payment (state, created_at, order_id) where state in ('authorised', 'failed');
