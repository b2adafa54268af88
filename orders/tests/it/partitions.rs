//! Orders of the version before come along, and each month has its place.

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqlSafeStr};

use crate::database::migrated;

/// A database as the version before left it, and its URL.
pub(crate) async fn before() -> (PgConnection, String) {
    let server = tokio::task::spawn_blocking(backing_servers::postgres_url).await.unwrap();
    let mut sql = PgConnection::connect(&server).await.unwrap();
    let name = format!("orders_before_{}", uuid::Uuid::new_v4().simple());
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut sql).await.unwrap();
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let mut sql = PgConnection::connect(&url).await.unwrap();
    sqlx::migrate!().run_to(1, &mut sql).await.unwrap();
    (sql, url)
}

async fn count(sql: &mut PgConnection, text: &'static str) -> i64 {
    sqlx::query(text.into_sql_str()).fetch_one(sql).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_the_version_before_come_along() {
    let ((mut sql, _), all) = (before().await, sqlx::migrate!());
    let old = "insert into shop_order (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
        select md5(n::text)::uuid, md5('s')::uuid, 'k' || n, '', 1, 'EUR', '{}', now() - n * interval '1 hour' from generate_series(1, 12000) n";
    sql.execute(old).await.unwrap();
    let items = "insert into order_item (order_id, position, sku, quantity, unit_amount) select id, 1, 'a', 2, 1 from shop_order";
    sql.execute(items).await.unwrap();
    all.run(&mut sql).await.unwrap();
    let placed =
        "select count(*) from order_item join shop_order on id = order_id and shop_order.placed_at = order_item.placed_at";
    assert_eq!(count(&mut sql, placed).await, 12_000);
    // A start that was interrupted after a block, and before it was noted, runs it again.
    sql.execute("delete from _sqlx_migrations where version in (2, 8)").await.unwrap();
    all.run(&mut sql).await.unwrap();
    assert_eq!(count(&mut sql, placed).await, 12_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_without_a_month_is_kept_and_moves_when_its_month_is_made() {
    let mut sql = PgConnection::connect(&migrated("months").await).await.unwrap();
    let far = "insert into shop_order (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
        values (md5('1')::uuid, md5('s')::uuid, 'k', '', 1, 'EUR', '{}', '2099-03-15')";
    sql.execute(far).await.unwrap();
    assert_eq!(count(&mut sql, "select count(*) from only shop_order_default").await, 1);
    assert_eq!(count(&mut sql, "select make_months('shop_order', '2099-02-10', 2)::bigint").await, 2);
    assert_eq!(count(&mut sql, "select make_months('shop_order', '2099-02-10', 2)::bigint").await, 0, "once");
    assert_eq!(count(&mut sql, "select count(*) from only shop_order_default").await, 0);
    assert_eq!(count(&mut sql, "select count(*) from only shop_order_2099_03").await, 1);
    // What the old tables hold is a month's place already.
    assert_eq!(count(&mut sql, "select make_months('shop_order', now(), 1)::bigint").await, 0);
}
