//! Carts that were bought: emptied once, by the order's record, by the edge or by the event, and never what came into them later.

use serde_json::{Value, json};

use super::running::{Running, Shopper, eventually};

async fn lines(shopper: &Shopper) -> Value {
    shopper.get("/v1/cart").await["lines"].clone()
}

/// Puts events into the stream as a relay does that tells them again.
async fn tell_again(running: &Running, events: &[&Value]) {
    let mut redis = redis::Client::open(running.redis_url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    for event in events {
        let mut add = redis::cmd("XADD");
        add.arg("events:orders").arg("*").arg("event").arg(event.to_string());
        let _: String = add.query_async(&mut redis).await.unwrap();
    }
}

/// Waits until the consumer has read and acknowledged all there is.
async fn followed(running: &Running) {
    let mut redis = redis::Client::open(running.redis_url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    eventually("the consumer to have read all", async || {
        let last: Vec<(String, Vec<String>)> = redis::cmd("XREVRANGE")
            .arg("events:orders")
            .arg("+")
            .arg("-")
            .arg("COUNT")
            .arg(1)
            .query_async(&mut redis)
            .await
            .ok()?;
        let groups: redis::streams::StreamInfoGroupsReply =
            redis::cmd("XINFO").arg("GROUPS").arg("events:orders").query_async(&mut redis).await.ok()?;
        let group = groups.groups.first()?;
        (group.last_delivered_id == last.first()?.0 && group.pending == 0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cart_whose_edge_died_is_settled_by_the_event_once() {
    let running = Running::start().await;
    let mut orders = running.orders(None, &[]).await;
    let shopper = Shopper::register(&running, &orders).await;
    running.receive("LAMP", "eu-1", 10).await;
    running.receive("MUG", "eu-1", 10).await;
    // Nobody settles: the edge is dead. The event does.
    shopper.buy(&[("LAMP", 1)]).await;
    eventually("the cart to be emptied", async || (lines(&shopper).await == json!([])).then_some(())).await;
    shopper.buy(&[("MUG", 2)]).await;
    eventually("the second cart to be emptied", async || (lines(&shopper).await == json!([])).then_some(())).await;
    shopper.fill(&[("LAMP", 3)]).await;
    followed(&running).await;
    let events = running.events().await;
    assert_eq!(events.len(), 2);
    // Twice, in the wrong order, and with something between that is no event.
    let nonsense = json!({"type": "orders.order-placed.v1", "data": {"order_id": 7}});
    tell_again(&running, &[&events[1], &events[0], &nonsense, &events[0], &events[1]]).await;
    followed(&running).await;
    assert_eq!(lines(&shopper).await[0]["quantity"], 3, "a later cart is not the one that was bought");
    // An instance that died with an event in its hands: another one takes it over, and reads on.
    orders.kill();
    let orders = running.orders(None, &[]).await;
    let shopper = Shopper { base: orders.http.clone(), ..shopper };
    let (status, _) = shopper.check_out().await;
    assert_eq!(status, 201);
    eventually("the third cart to be emptied", async || (lines(&shopper).await == json!([])).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_beside_home_empties_its_cart_and_a_key_that_comes_again_does_not() {
    let running = Running::start().await;
    let orders = running.orders(None, &[]).await;
    let shopper = Shopper::register(&running, &orders).await;
    running.receive("LAMP", "eu-1", 10).await;
    let address = json!({"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"});
    let check_out = async || {
        let request = shopper.post("/v1/orders/checkout", &json!({"delivery_address": address}));
        let answer = request.header("idempotency-key", "one").send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["id"].clone())
    };
    shopper.fill(&[("LAMP", 2)]).await;
    let first = check_out().await;
    assert_eq!((first.0, lines(&shopper).await), (201, json!([])), "the order's record empties the cart");
    followed(&running).await;
    // Just as before, so that it is the same checkout once more.
    shopper.fill(&[("LAMP", 2)]).await;
    assert_eq!(check_out().await, first);
    followed(&running).await;
    assert_eq!(lines(&shopper).await[0]["quantity"], 2, "what came later is not what was bought");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkout_far_from_home_buys_what_the_record_has_and_not_an_older_copy() {
    let running = Running::start().await;
    let orders = running.orders(None, &[]).await;
    let shopper = Shopper::register(&running, &orders).await;
    running.receive("LAMP", "eu-1", 10).await;
    running.receive("MUG", "eu-1", 10).await;
    let mut redis = redis::Client::open(running.redis_url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    shopper.fill(&[("LAMP", 1)]).await;
    let carts: Vec<String> = redis::cmd("KEYS").arg("cart:*").query_async(&mut redis).await.unwrap();
    let copy: String = redis::cmd("GET").arg(&carts[0]).query_async(&mut redis).await.unwrap();
    shopper.fill(&[("MUG", 2)]).await;
    // As when Redis had missed the second change.
    let _: () = redis::cmd("SET").arg(&carts[0]).arg(copy).query_async(&mut redis).await.unwrap();
    // An edge that settles before the record does cannot say which version was bought, and leaves the cart to those who can.
    let ticket = shopper.post("/internal/v1/checkout-tickets", &json!({})).header("idempotency-key", "one").send().await.unwrap();
    let ticket: Value = ticket.json().await.unwrap();
    assert_eq!(ticket["copied"], true);
    let settle = shopper.post("/internal/v1/carts/settle", &json!({"ticket": ticket["ticket"]})).send().await.unwrap();
    assert_eq!(settle.status(), 200);
    let kept: (i64, String) =
        sqlx::query_as("select version, bought::text from cart").fetch_one(&mut running.sql().await).await.unwrap();
    assert_eq!(kept, (2, "[]".to_owned()));
    let (status, order) = shopper.check_out().await;
    let bought: Vec<_> =
        order["lines"].as_array().unwrap().iter().map(|line| (line["sku"].clone(), line["quantity"].clone())).collect();
    assert_eq!((status, bought), (201, vec![(json!("LAMP"), json!(1)), (json!("MUG"), json!(2))]));
    // Emptied with the order, and before anybody settled it.
    assert_eq!(lines(&shopper).await, json!([]));
}
