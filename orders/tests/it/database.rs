//! Databases of the tests' own, with the schema of the migrations.

use sqlx::{AssertSqlSafe, Connection, PgConnection};

/// A fresh database with the schema; gives its URL.
pub(crate) async fn migrated(name: &str) -> String {
    let server = tokio::task::spawn_blocking(backing_servers::postgres_url).await.unwrap();
    let mut sql = PgConnection::connect(&server).await.unwrap();
    let name = format!("orders_{name}_{}", uuid::Uuid::new_v4().simple());
    sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut sql).await.unwrap();
    let (front, _) = server.rsplit_once('/').unwrap();
    let url = format!("{front}/{name}");
    let pool = sqlx::PgPool::connect(&url).await.unwrap();
    sqlx::migrate!().run(&pool).await.unwrap();
    pool.close().await;
    url
}

/// The same, filled with orders of fourteen months.
pub(crate) async fn filled(name: &str, orders: u32) -> String {
    let url = migrated(name).await;
    let mut sql = PgConnection::connect(&url).await.unwrap();
    let script = include_str!("../fill.sql").replace("{orders}", &orders.to_string());
    sqlx::raw_sql(AssertSqlSafe(script)).execute(&mut sql).await.unwrap();
    url
}
