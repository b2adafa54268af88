//! Work behind the requests: shared between instances, started again when it ends, and not stopped by one order.

use serde_json::json;
use sqlx::Executor;

use super::running::{Process, Running, Shopper, eventually};

/// Of all locks, those of orders that are being reconciled.
const KIND: i32 = 0x7265_636F;

async fn recorded(running: &Running) -> Vec<String> {
    let ids = sqlx::query_scalar("select id::text from shop_order order by id");
    ids.fetch_all(&mut running.sql().await).await.unwrap()
}

async fn told(running: &Running, orders: &Process, path: &str) -> String {
    running.http.get(format!("{}{path}", orders.admin)).send().await.unwrap().text().await.unwrap()
}

/// An order that the inventory has and PostgreSQL does not: its instance died in between.
async fn left_behind(running: &Running) -> String {
    let mut orders = running.orders(Some("after-purchase"), &["--reconcile-after-ms", "3600000"]).await;
    let shopper = Shopper::register(running, &orders).await;
    shopper.fill(&[("LAMP", 1)]).await;
    let ticket = shopper.post("/internal/v1/checkout-tickets", &json!({})).send().await.unwrap();
    let ticket = ticket.json::<serde_json::Value>().await.unwrap()["ticket"].as_str().unwrap().to_owned();
    let address = json!({"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"});
    let request = shopper.post("/v1/orders/checkout", &json!({"delivery_address": address}));
    let request = request.header("idempotency-key", uuid::Uuid::new_v4().to_string()).header("checkout-ticket", ticket);
    assert!(request.send().await.is_err(), "the instance died");
    orders.crashed().await;
    let page = running.inventory.unacknowledged(&super::running::context(), 0, 100, None).await.unwrap();
    page.items.last().unwrap().id.uuid().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_instance_works_on_is_left_to_it() {
    let running = Running::start().await;
    running.receive("LAMP", "eu-1", 10).await;
    let (theirs, ours) = (left_behind(&running).await, left_behind(&running).await);
    assert_ne!(theirs, ours);
    // As another instance holds it.
    let mut other = running.sql().await;
    let claim = sqlx::query("select pg_advisory_lock($1, hashtext($2))").bind(KIND).bind(&theirs);
    claim.execute(&mut other).await.unwrap();
    let orders = running.orders(None, &["--reconcile-after-ms", "0"]).await;
    eventually("our order to be recorded", async || (recorded(&running).await == [ours.clone()]).then_some(())).await;
    // Passes go on, and leave it.
    let acknowledged = async || {
        let page = running.inventory.unacknowledged(&super::running::context(), 0, 100, None).await.unwrap();
        page.items.iter().map(|left| left.id.uuid().to_string()).collect::<Vec<_>>()
    };
    eventually("our order to be acknowledged", async || (acknowledged().await == [theirs.clone()]).then_some(())).await;
    assert_eq!(recorded(&running).await.join(" "), ours);
    drop(other);
    eventually("both", async || (recorded(&running).await.len() == 2).then_some(())).await;
    drop(orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_panics_is_named_and_goes_on() {
    let running = Running::start().await;
    running.receive("LAMP", "eu-1", 10).await;
    let order = left_behind(&running).await;
    let orders = running.orders(Some("panic-reconcile"), &["--reconcile-after-ms", "0"]).await;
    eventually("the work to be named", async || {
        let ready = told(&running, &orders, "/readyz").await;
        (ready.starts_with("ok\n") && ready.contains("ailing: reconcile: ") && ready.contains("panicked")).then_some(())
    })
    .await;
    eventually("the order to be recorded", async || (recorded(&running).await == [order.clone()]).then_some(())).await;
    let metrics = told(&running, &orders, "/metrics").await;
    assert!(metrics.contains("orders_background_restarts_total{work=\"reconcile\"} 2"), "{metrics}");
    assert_eq!(told(&running, &orders, "/readyz").await, "ok\n", "it is well again");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_postgresql_refuses_stops_no_other_and_is_not_lost() {
    let running = Running::start().await;
    running.receive("LAMP", "eu-1", 100).await;
    let orders = running.orders(None, &["--reconcile-after-ms", "0"]).await;
    running.sql().await.execute("alter table shop_order add constraint poison check (total_amount <> 6000)").await.unwrap();
    let mut shoppers = Vec::new();
    for nth in 0..12 {
        let shopper = Shopper::register(&running, &orders).await;
        shopper.fill(&[("LAMP", if nth == 5 { 3 } else { 1 })]).await;
        shoppers.push(shopper);
    }
    // At once, so that they go into few SQL commits.
    let answers = futures_util::future::join_all(shoppers.iter().map(Shopper::check_out)).await;
    for (nth, (status, order)) in answers.iter().enumerate() {
        assert_eq!(*status, if nth == 5 { 202 } else { 201 }, "{nth}: {order}");
    }
    assert_eq!(recorded(&running).await.len(), 11);
    eventually("an operator to be told", async || {
        let poisoned = told(&running, &orders, "/metrics").await.contains("orders_poisoned_total");
        (poisoned && running.log().await.contains("an operator must look at it")).then_some(())
    })
    .await;
    running.sql().await.execute("alter table shop_order drop constraint poison").await.unwrap();
    eventually("it to be recorded after all", async || (recorded(&running).await.len() == 12).then_some(())).await;
}
