-- Fills a database with {orders} orders over the fourteen months before today, two items each, of one shopper for every ten orders; sessions
-- and carts for those shoppers. Ids and times are a function of the row's number, so that two runs make the same.
set synchronous_commit = off;
insert into shopper (id, email, phone_number)
    select md5('shopper ' || n)::uuid, n || '@shopper.example', '+4930123456' from generate_series(1, {orders} / 10) n;
insert into session (token_hash, shopper_id, expires_at)
    select sha256(id::text::bytea), id, now() + interval '30 days' from shopper;
insert into cart (shopper_id, version, lines) select id, 1, '[{"sku": "sku-1", "quantity": 1}]' from shopper;
-- The months that have passed get partitions of their own, as if the service had been there.
do $$ begin
    alter table shop_order detach partition shop_order_first;
    alter table order_item detach partition order_item_first;
    drop table shop_order_first, order_item_first;
    perform make_months('shop_order', now() - interval '14 months', 18), make_months('order_item', now() - interval '14 months', 18);
end $$;
insert into shop_order (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
    select md5('order ' || n)::uuid, md5('shopper ' || 1 + n % ({orders} / 10))::uuid, 'key-' || n, sha256(n::text::bytea), 3998, 'EUR',
        '{"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"}',
        now() - n * (interval '400 days' / {orders})
    from generate_series(1, {orders}) n;
insert into order_item (order_id, position, sku, quantity, unit_amount, placed_at)
    select id, position, 'sku-' || abs(hashtext(id::text) + position) % 1000, 1, 1999, placed_at
    from shop_order, generate_series(1, 2) position;
insert into outbox (topic, key, payload) select 'orders.order-placed.v1', id::text, '{}' from shop_order limit 100000;
analyze;
