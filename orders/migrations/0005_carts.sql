-- Expand only: programs of the version before go on reading and writing; they leave the new columns as they are.
-- Nobody waits for long: columns without a rewrite; the indexes are built beside the work of others (see 0008). A cart that cannot be written
-- meanwhile is kept in Redis and written afterwards.
set local lock_timeout = '200ms';

-- The write that made the row; and which cart was last written behind into it, and as what: so that no change is taken twice.
alter table cart add column stamp uuid, add column behind uuid, add column taken jsonb;

-- The day of the last change: an index on the moment itself would grow with each change of each cart.
alter table cart add column touched_on date not null default (now() at time zone 'utc')::date;
-- Room for the next version of a row beside it, so that a change of a cart touches no index.
alter table cart set (fillfactor = 70);
