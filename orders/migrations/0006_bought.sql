-- The last orders that were made of a cart, so that a key is known for one that made an order also when only the cart can be asked. Expand only.
set local lock_timeout = '200ms';
alter table cart add column bought jsonb not null default '[]';
