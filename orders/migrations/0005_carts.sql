-- Expand only: programs of the version before go on reading and writing; they leave the new columns as they are.
-- Nobody waits for long: two columns without a rewrite, and an index on a table with one row a shopper. A cart that cannot be written meanwhile
-- is kept in Redis and written afterwards.
set local lock_timeout = '1s';

-- The write that made the row; and which cart was last written behind into it, and as what: so that no change is taken twice.
alter table cart add column stamp uuid, add column behind uuid, add column taken jsonb;

-- The day of the last change: an index on the moment itself would grow with each change of each cart.
alter table cart add column touched_on date not null default (now() at time zone 'utc')::date;
create index cart_idle on cart (touched_on, shopper_id);
-- Room for the next version of a row beside it, so that a change of a cart touches no index.
alter table cart set (fillfactor = 70);

create index session_end on session (expires_at);
