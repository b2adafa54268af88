//! The schema changes under a shop that goes on selling.

use std::sync::Arc;

use sqlx::{Executor, PgConnection, SqlSafeStr};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{
    partitions::before,
    running::{Running, eventually},
};

/// Orders of the version before: enough that building an index or reading a table takes a while.
const ORDERS: &str = "
    insert into shop_order (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
        select md5(n::text)::uuid, md5('s')::uuid, 'k' || n, '', 1, 'EUR', '{}', now() - n * interval '1 minute' from generate_series(1, 60000) n;
    insert into order_item (order_id, position, sku, quantity, unit_amount) select id, 1, 'a', 2, 1 from shop_order;
    insert into outbox (topic, key, payload)
        select 'orders.order-placed.v1', id::text, jsonb_build_object('id', id, 'delivery_address', jsonb_build_object('name', 'Ada'),
            'lines', '[]'::jsonb, 'total', '{\"amount\": 1, \"currency\": \"EUR\"}'::jsonb, 'placed_at', '2026-11-21T10:00:00Z')
        from shop_order limit 10;";

/// What both versions do: one fails loudly that waits for a lock as long as a statement of `orders` may.
const WRITE: [&str; 3] = [
    "set lock_timeout = '1000ms'",
    "insert into shop_order (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
        values (gen_random_uuid(), md5('s')::uuid, 'k', '', 1, 'EUR', '{}', now())",
    "select count(*) from shop_order where shopper_id = md5('nobody')::uuid",
];

async fn sell(mut sql: PgConnection, over: CancellationToken, written: Arc<Notify>) -> u64 {
    let mut sold = 0;
    while !over.is_cancelled() {
        for statement in WRITE {
            sql.execute(statement.into_sql_str()).await.expect("a write while the schema changes");
        }
        sold += 1;
        written.notify_one();
    }
    sold
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_go_on_while_the_schema_changes_under_them() {
    let mut running = Running::start().await;
    let (mut sql, url) = before().await;
    running.database_url = url;
    sqlx::raw_sql(ORDERS).execute(&mut sql).await.unwrap();
    let (over, written) = (CancellationToken::new(), Arc::new(Notify::new()));
    let mut sellers = Vec::new();
    for _ in 0..4 {
        sellers.push(tokio::spawn(sell(running.sql().await, over.clone(), written.clone())));
    }
    written.notified().await;
    // Somebody reads all orders for a while, as a backup does: nothing that has to wait for it keeps the others waiting.
    let mut reader = running.sql().await;
    reader.execute("begin; select count(*) from shop_order, order_item where order_id = id").await.unwrap();
    let mut starting = Box::pin(running.orders(None, &[]));
    let retried = eventually("the migration to have been refused a lock", async || {
        tokio::select! {
            _ = &mut starting => panic!("the schema changed under a transaction that reads it"),
            text = running.log() => text.contains("lock timeout").then_some(()),
        }
    });
    retried.await;
    reader.execute("commit").await.unwrap();
    let _orders = starting.await;
    over.cancel();
    let mut sold = 0;
    for seller in sellers {
        sold += seller.await.unwrap();
    }
    assert!(sold > 0);
    let partitioned = "select count(*) from pg_class where relname = 'shop_order' and relkind = 'p'";
    let state: i64 = sqlx::query_scalar(partitioned).fetch_one(&mut sql).await.unwrap();
    assert_eq!(state, 1);
    // Nothing was built twice, and every index is whole.
    let broken: i64 = sqlx::query_scalar("select count(*) from pg_index where not indisvalid").fetch_one(&mut sql).await.unwrap();
    assert_eq!(broken, 0);
    let orders: i64 = sqlx::query_scalar("select count(*) from shop_order").fetch_one(&mut sql).await.unwrap();
    assert_eq!(orders, 60_000 + i64::try_from(sold).unwrap());
    // What the version before had not told yet is told as this version tells it.
    let events = eventually("the events", async || Some(running.events().await).filter(|events| events.len() == 10)).await;
    let data = &events[0]["data"];
    assert!(data["order_id"].is_string() && data["shopper_id"].is_string() && data["delivery_address"].is_null(), "{data}");
}
