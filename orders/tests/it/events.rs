//! The relay: at least once, in order per order, with nothing skipped.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{Connection, Executor, PgConnection};
use uuid::Uuid;

use super::running::{Running, eventually};

/// Writes an event of an order as a transition does: under the order's lock.
pub(crate) async fn write(sql: &mut PgConnection, order: Uuid, sequence: i32, payload: &str) {
    let mut transaction = sql.begin().await.unwrap();
    let lock = sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))").bind(order.to_string());
    lock.execute(&mut *transaction).await.unwrap();
    insert(&mut transaction, order, sequence, payload).await;
    transaction.commit().await.unwrap();
}

async fn insert(sql: &mut PgConnection, order: Uuid, sequence: i32, payload: &str) {
    let insert =
        sqlx::query("insert into outbox (topic, key, sequence, payload) values ('orders.order-delivered.v1', $1, $2, $3::jsonb)");
    insert.bind(order.to_string()).bind(sequence).bind(payload).execute(sql).await.unwrap();
}

fn told(event: &Value) -> (String, u32) {
    (event["subject"].as_str().unwrap().to_owned(), event["sequence"].as_str().unwrap().parse().unwrap())
}

/// The first time each event was told, by order.
fn first_told(events: &[Value]) -> BTreeMap<String, Vec<u32>> {
    let mut by_order: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for (order, sequence) in events.iter().map(told) {
        let seen = by_order.entry(order).or_default();
        if !seen.contains(&sequence) {
            seen.push(sequence);
        }
    }
    by_order
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_that_die_lose_nothing_and_keep_the_order_of_each_order() {
    let running = Running::start().await;
    let mut first = running.orders(Some("after-publish"), &[]).await;
    let mut sql = running.sql().await;
    let orders: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
    write(&mut sql, orders[0], 1, "{}").await;
    // Told, and not noted.
    first.crashed().await;
    assert_eq!(running.events().await.len(), 1);
    let (mut second, mut third) = (running.orders(None, &[]).await, running.orders(None, &[]).await);
    for sequence in 1..=30 {
        for order in &orders {
            if (order, sequence) != (&orders[0], 1) {
                write(&mut sql, *order, sequence, "{}").await;
            }
        }
        // Whoever tells now is killed in the middle of it, and another one takes its place.
        if sequence == 10 {
            second.kill();
            second = running.orders(None, &[]).await;
        }
        if sequence == 20 {
            third.kill();
        }
    }
    let events = eventually("all events", async || {
        let events = running.events().await;
        let told: usize = first_told(&events).values().map(Vec::len).sum();
        (told == 20 * 30).then_some(events)
    })
    .await;
    let expected: Vec<u32> = (1..=30).collect();
    assert!(first_told(&events).values().all(|sequences| *sequences == expected));
    assert_eq!(events.iter().filter(|event| told(event) == (orders[0].to_string(), 1)).count(), 2, "told again after the crash");
    eventually("the outbox to be emptied", async || {
        let left: i64 = sqlx::query_scalar("select count(*) from outbox").fetch_one(&mut sql).await.unwrap();
        (left == 0).then_some(())
    })
    .await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_commits_late_is_not_skipped() {
    let running = Running::start().await;
    let _orders = running.orders(None, &[]).await;
    let (mut slow, mut sql) = (running.sql().await, running.sql().await);
    let (late, early, last) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    slow.execute("begin").await.unwrap();
    insert(&mut slow, late, 1, "{}").await;
    // Has a later number, and commits before.
    write(&mut sql, early, 1, "{}").await;
    // A relay that went by what it sees would tell of `early` at its next look, and go past `late`.
    let looked = "select max(query_start)::text from pg_stat_activity where datname = current_database()
                  and application_name = 'orders outbox redis:eu' and query like '%from outbox%'";
    let mut looks = BTreeSet::new();
    eventually("the relay to look three times", async || {
        let look: Option<String> = sqlx::query_scalar(looked).fetch_one(&mut sql).await.unwrap();
        looks.extend(look);
        (looks.len() > 3).then_some(())
    })
    .await;
    assert!(running.events().await.is_empty());
    slow.execute("commit").await.unwrap();
    write(&mut sql, last, 1, "{}").await;
    let events = eventually("three events", async || Some(running.events().await).filter(|events| events.len() == 3)).await;
    assert_eq!(events.iter().map(|event| told(event).0).collect::<Vec<_>>(), [late, early, last].map(|order| order.to_string()));
}
