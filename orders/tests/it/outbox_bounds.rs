//! The outbox while a sink is away, and while somebody's transaction holds it back.

use serde_json::Value;
use sqlx::Executor;
use uuid::Uuid;

use super::running::{Running, eventually};

/// Events at once, each of an order of its own.
fn many(count: u32) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(format!(
        "insert into outbox (topic, key, payload) select 'orders.order-delivered.v1', gen_random_uuid()::text, '{{}}' from generate_series(1, {count})"
    ))
}

fn sink<'a>(listed: &'a Value, name: &str) -> &'a Value {
    listed["sinks"].as_array().unwrap().iter().find(|sink| sink["sink"] == name).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_that_stays_away_misses_events_and_the_outbox_ends_somewhere() {
    let running = Running::start().await;
    // Nobody listens there.
    let _orders = running.orders(None, &["--events-kafka", "127.0.0.1:1", "--events-outbox-max", "1000"]).await;
    let mut sql = running.sql().await;
    for (count, told) in [(900, 900), (600, 1500)] {
        sql.execute(many(count)).await.unwrap();
        eventually("Redis to have them", async || (running.events().await.len() == told).then_some(())).await;
    }
    let listed = eventually("the oldest to go", async || {
        let listed = running.outbox(&["list"]);
        (listed["rows"] == 1000).then_some(listed)
    })
    .await;
    assert_eq!((&sink(&listed, "kafka")["missed"], &sink(&listed, "kafka")["waiting"]), (&500.into(), &1000.into()));
    assert!(sink(&listed, "kafka")["missed_at"].is_string());
    assert_eq!(sink(&listed, "redis:eu")["missed"], 0, "it had them before");
    // Without the sink nothing waits for it.
    running.outbox(&["forget", "--sink", "kafka"]);
    eventually("the outbox to be emptied", async || (running.outbox(&["list"])["rows"] == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_transaction_that_holds_events_back_is_named() {
    let running = Running::start().await;
    let orders = running.orders(None, &[]).await;
    let (mut slow, mut sql) = (running.sql().await, running.sql().await);
    slow.execute("set application_name = 'a long report'").await.unwrap();
    slow.execute("begin; create temporary table written_to (id int)").await.unwrap();
    let pid: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut slow).await.unwrap();
    let insert = sqlx::query("insert into outbox (topic, key, payload) values ('orders.order-delivered.v1', $1, '{}')");
    insert.bind(Uuid::new_v4().to_string()).execute(&mut sql).await.unwrap();
    // Others at the same server may be older, and end.
    eventually("it to be listed", async || {
        let held = running.outbox(&["list"])["held_back_by"].clone();
        (held["pid"] == pid && held["application"] == "a long report").then_some(())
    })
    .await;
    eventually("a line that names it", async || {
        let line = |log: String| log.lines().find(|line| line.contains("holds events back")).map(str::to_owned);
        line(running.log().await).filter(|line| line.contains("a long report"))
    })
    .await;
    let metrics = running.http.get(format!("{}/metrics", orders.admin)).send().await.unwrap().text().await.unwrap();
    let held_s = metrics.lines().find_map(|line| line.strip_prefix("orders_events_held_back_seconds "));
    assert!(held_s.unwrap().parse::<f64>().unwrap() > 1.0);
    assert!(running.events().await.is_empty());
    slow.execute("commit").await.unwrap();
    eventually("the event", async || (running.events().await.len() == 1).then_some(())).await;
}
