//! Orders that are called off: everything goes back once, whatever dies on the way.

use serde_json::json;
use sqlx::Executor;

use super::{
    life::at_rest,
    running::{Operator, Running, Shopper, eventually},
};

#[tokio::test(flavor = "multi_thread")]
async fn units_come_back_once_though_the_process_dies_at_every_step() {
    let running = Running::start().await;
    running.receive("LAMP", "eu-1", 2).await;
    running.receive("LAMP", "us-1", 3).await;
    let mut orders = running.orders(Some("after-transition"), &[]).await;
    let shopper = Shopper::register(&running, &orders).await;
    let id = shopper.buy(&[("LAMP", 4)]).await;
    assert_eq!(running.stock("LAMP").await.on_hand(), 1);
    // The answer is lost with the process, after the SQL commit.
    assert!(shopper.post(&format!("/v1/orders/{id}/cancel"), &json!({})).send().await.is_err());
    orders.crashed().await;
    assert_eq!(running.stock("LAMP").await.on_hand(), 1, "units come back after the SQL commit");
    let sooner = "update order_effect set next_attempt_at = now() where done_at is null";
    for point in ["after-plan", "after-receipt", "after-receipt"] {
        let mut orders = running.orders(Some(point), &[]).await;
        orders.crashed().await;
        // Nobody waits for the lease of the dead.
        running.sql().await.execute(sooner).await.unwrap();
    }
    let orders = running.orders(None, &[]).await;
    let operator = Operator::at(&running, &orders);
    let told = at_rest(&operator, &id).await;
    assert_eq!((&told["order"]["status"], &told["order"]["refunds"][0]["state"]), (&json!("cancelled"), &json!("nothing_taken")));
    assert_eq!(running.on_hand("LAMP").await, [("eu-1".to_owned(), 2), ("us-1".to_owned(), 3)]);
    assert_eq!(running.stock("LAMP").await.totals.received, 9, "5 at first, 4 again");
    // Again, at another process: it is so already.
    let shopper = Shopper { base: orders.http.clone(), ..shopper };
    let again = shopper.post(&format!("/v1/orders/{id}/cancel"), &json!({})).send().await.unwrap();
    assert_eq!(again.status(), 200);
    let told = at_rest(&operator, &id).await;
    assert_eq!((told["version"].as_i64(), running.stock("LAMP").await.on_hand()), (Some(2), 5));
    let stranger = Shopper::register(&running, &orders).await;
    let refused = stranger.post(&format!("/v1/orders/{id}/cancel"), &json!({})).send().await.unwrap();
    assert_eq!(refused.status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_is_accepted_and_not_yet_recorded_can_be_called_off() {
    let running = Running::start().await;
    running.receive("MUG", "eu-1", 3).await;
    // Nobody else looks after it.
    let orders = running.orders(None, &["--reconcile-after-ms", "3600000"]).await;
    let shopper = Shopper::register(&running, &orders).await;
    shopper.fill(&[("MUG", 2)]).await;
    let mut sql = running.sql().await;
    // PostgreSQL answers, and takes no order.
    sql.execute("alter table shop_order rename to shop_order_elsewhere").await.unwrap();
    let (status, order) = shopper.check_out().await;
    assert_eq!((status, &order["status"]), (202, &json!("accepted")), "{order}");
    let cancel = format!("/v1/orders/{}/cancel", order["id"].as_str().unwrap());
    assert_eq!(shopper.post(&cancel, &json!({})).send().await.unwrap().status(), 503);
    sql.execute("alter table shop_order_elsewhere rename to shop_order").await.unwrap();
    let done = eventually("PostgreSQL to be asked again", async || {
        let answer = shopper.post(&cancel, &json!({"reason": "changed my mind"})).send().await.unwrap();
        (answer.status() == 200).then_some(answer)
    })
    .await;
    assert_eq!(done.json::<serde_json::Value>().await.unwrap()["status"], "cancelled");
    let operator = Operator::at(&running, &orders);
    at_rest(&operator, order["id"].as_str().unwrap()).await;
    assert_eq!(running.stock("MUG").await.on_hand(), 3);
    let events = eventually("both events", async || Some(running.events().await).filter(|events| events.len() == 2)).await;
    let kinds: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["orders.order-placed.v1", "orders.order-cancelled.v1"]);
    assert_eq!(events[1]["data"]["reason"], "changed my mind");
}
