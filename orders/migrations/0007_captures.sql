-- Why the last attempt at a capture came to nothing; for operators. Expand only.
set local lock_timeout = '200ms';
alter table payment add column last_error text;
