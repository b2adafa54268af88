//! An order from its checkout to its return, as shopper and operators see it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    running::{Operator, Running, Shopper, eventually},
    schemas::validate,
};

fn key() -> String {
    Uuid::new_v4().to_string()
}

/// Waits until nothing is left to be done for an order.
pub(crate) async fn at_rest(operator: &Operator, id: &str) -> Value {
    eventually("the order's effects", async || {
        let told = operator.get(&format!("/{id}")).await;
        let is_done = told["effects"].as_array()?.iter().all(|effect| effect["is_done"] == true);
        is_done.then_some(told)
    })
    .await
}

async fn shipped_in_parts(operator: &Operator, id: &str) {
    let parcel = json!({"carrier": "DHL", "tracking": "JD01", "lines": [{"sku": "LAMP", "quantity": 2}], "by": "Eve"});
    let (status, problem) = operator.send(&format!("{id}/ship"), Some("p-1"), parcel.clone()).await;
    assert_eq!((status, problem["detail"].as_str().unwrap().contains("possible: pay, allocate, cancel")), (409, true));
    let (status, told) = operator.send(&format!("{id}/pay"), None, json!({"reference": "bank 7"})).await;
    assert_eq!((status, &told["order"]["status"]), (200, &json!("paid")));
    let (_, told) = operator.send(&format!("{id}/allocate"), None, json!({})).await;
    assert_eq!(told["order"]["status"], "allocated");
    let (status, _) = operator.send(&format!("{id}/ship"), None, parcel.clone()).await;
    assert_eq!(status, 400, "a parcel needs a key");
    for _ in 0..2 {
        let (status, told) = operator.send(&format!("{id}/ship"), Some("p-1"), parcel.clone()).await;
        assert_eq!((status, &told["order"]["status"]), (200, &json!("partly_shipped")));
        assert_eq!(told["order"]["parcels"].as_array().unwrap().len(), 1, "the same key is the same parcel");
    }
    let other = json!({"carrier": "UPS"});
    assert_eq!(operator.send(&format!("{id}/ship"), Some("p-1"), other.clone()).await.0, 422);
    let too_many = json!({"carrier": "UPS", "lines": [{"sku": "LAMP", "quantity": 2}]});
    let (status, problem) = operator.send(&format!("{id}/ship"), Some("p-2"), too_many).await;
    assert_eq!((status, &problem["lines"][0]), (409, &json!({"sku": "LAMP", "requested": 2, "possible": 1})));
    // What is left.
    let (_, told) = operator.send(&format!("{id}/ship"), Some("p-3"), other).await;
    assert_eq!((&told["order"]["status"], &told["allowed"]), (&json!("shipped"), &json!(["deliver", "return"])));
    assert_eq!(told["order"]["parcels"][1]["lines"], json!([{"sku": "LAMP", "quantity": 1}, {"sku": "MUG", "quantity": 2}]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_shipped_can_be_called_off() {
    let running = Running::start().await;
    let orders = running.orders(None, &[]).await;
    let (shopper, operator) = (Shopper::register(&running, &orders).await, Operator::at(&running, &orders));
    running.receive("LAMP", "eu-1", 3).await;
    running.receive("MUG", "eu-1", 2).await;
    let id = shopper.buy(&[("LAMP", 3), ("MUG", 2)]).await;
    operator.send(&format!("{id}/allocate"), None, json!({})).await;
    let parcel = json!({"carrier": "DHL", "lines": [{"sku": "LAMP", "quantity": 1}]});
    operator.send(&format!("{id}/ship"), Some("p"), parcel).await;
    for _ in 0..2 {
        let answer = shopper.post(&format!("/v1/orders/{id}/cancel"), &json!({"reason": "too slow"})).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let told: Value = answer.json().await.unwrap();
        assert_eq!(
            (&told["status"], &told["lines"][0]["cancelled"], &told["lines"][1]["cancelled"]),
            (&json!("shipped"), &json!(2), &json!(2))
        );
    }
    let told = at_rest(&operator, &id).await;
    assert_eq!((&told["allowed"], told["history"].as_array().unwrap().len()), (&json!(["pay", "deliver", "return"]), 4));
    assert_eq!(told["order"]["refunds"], json!([{"amount": {"amount": 5_000, "currency": "USD"}, "state": "nothing_taken"}]));
    assert_eq!(
        (running.on_hand("LAMP").await, running.on_hand("MUG").await),
        (vec![("eu-1".to_owned(), 2)], vec![("eu-1".to_owned(), 2)])
    );
    let events = eventually("all events", async || Some(running.events().await).filter(|events| events.len() == 4)).await;
    events.iter().for_each(validate);
    assert_eq!(
        (&events[3]["type"], &events[3]["data"]["reason"]),
        (&json!("orders.order-partly-cancelled.v1"), &json!("too slow"))
    );
}

async fn returned_in_parts(operator: &Operator, id: &str) {
    for (parcel, after) in [(2, "shipped"), (1, "delivered"), (1, "delivered")] {
        let (_, told) = operator.send(&format!("{id}/parcels/{parcel}/deliver"), None, json!({})).await;
        assert_eq!(told["order"]["status"], after);
    }
    assert_eq!(operator.send(&format!("{id}/parcels/3/deliver"), None, json!({})).await.0, 404);
    let back = json!({"lines": [{"sku": "LAMP", "quantity": 2, "restock": true}], "reason": "too bright"});
    for _ in 0..2 {
        let (_, told) = operator.send(&format!("{id}/return"), Some("r-1"), back.clone()).await;
        assert_eq!(told["order"]["status"], "partly_returned");
    }
    let (status, problem) = operator.send(&format!("{id}/return"), Some("r-2"), back).await;
    assert_eq!((status, &problem["lines"][0]["possible"]), (409, &json!(1)));
    let rest = json!({"lines": [{"sku": "LAMP", "quantity": 1, "restock": false}, {"sku": "MUG", "quantity": 2, "restock": true, "location": "us-1"}]});
    let (_, told) = operator.send(&format!("{id}/return"), Some("r-3"), rest).await;
    assert_eq!((&told["order"]["status"], &told["allowed"]), (&json!("returned"), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_lives_from_its_checkout_to_its_return() {
    let running = Running::start().await;
    let orders = running.orders(None, &[]).await;
    let (shopper, operator) = (Shopper::register(&running, &orders).await, Operator::at(&running, &orders));
    running.receive("LAMP", "eu-1", 10).await;
    running.receive("MUG", "eu-1", 10).await;
    let id = shopper.buy(&[("LAMP", 3), ("MUG", 2)]).await;
    assert_eq!(operator.get("?status=placed").await["items"][0]["id"], id.as_str());
    shipped_in_parts(&operator, &id).await;
    returned_in_parts(&operator, &id).await;
    at_rest(&operator, &id).await;
    assert_eq!(running.on_hand("LAMP").await, [("eu-1".to_owned(), 9)]);
    assert_eq!(running.on_hand("MUG").await, [("eu-1".to_owned(), 8), ("us-1".to_owned(), 2)]);

    let told = operator.get(&format!("/{id}")).await;
    let history = told["history"].as_array().unwrap();
    let by: Vec<_> = history.iter().map(|entry| entry["by"].as_str().unwrap()).collect();
    assert_eq!((history.len(), by[0], by[3], &history[7]["reason"]), (9, "shopper", "operator Eve", &json!("too bright")));
    let seen = shopper.get(&format!("/v1/orders/{id}")).await;
    assert_eq!((&seen["status"], &seen["parcels"][0]["tracking"]), (&json!("returned"), &json!("JD01")));
    let refunds: Vec<_> = seen["refunds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refund| (refund["amount"]["amount"].as_i64().unwrap(), refund["state"].clone()))
        .collect();
    assert_eq!(refunds, [(4_000, json!("by_hand")), (3_000, json!("by_hand"))]);
    assert_eq!(shopper.get("/v1/orders").await["items"][0]["status"], "returned");
    assert_eq!(operator.get("?status=placed").await["items"], json!([]));

    let events = eventually("all events", async || Some(running.events().await).filter(|events| events.len() == 9)).await;
    events.iter().for_each(validate);
    let told: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap().trim_start_matches("orders.order-")).collect();
    let expected = ["placed", "paid", "allocated", "shipped", "shipped", "delivered", "delivered", "returned", "returned"];
    assert_eq!(told, expected.map(|kind| format!("{kind}.v1")));
    let sequences: Vec<_> = events.iter().map(|event| event["sequence"].as_str().unwrap().parse::<u32>().unwrap()).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_commands_that_race_as_many_succeed_as_there_are_units() {
    let running = Running::start().await;
    let orders = running.orders(None, &[]).await;
    let (shopper, operator) = (Shopper::register(&running, &orders).await, Operator::at(&running, &orders));
    running.receive("LAMP", "eu-1", 100).await;
    let id = shopper.buy(&[("LAMP", 5)]).await;
    operator.send(&format!("{id}/allocate"), None, json!({})).await;
    let (path, parcel) = (format!("{id}/ship"), json!({"carrier": "DHL", "lines": [{"sku": "LAMP", "quantity": 2}]}));
    let keys: Vec<String> = (0..6).map(|_| key()).collect();
    let sent = futures_util::future::join_all(keys.iter().map(|key| operator.send(&path, Some(key), parcel.clone()))).await;
    let statuses: Vec<u16> = sent.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 2, "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 409].contains(status)), "{statuses:?}");

    // Calling off and shipping at once: one of them.
    for _ in 0..5 {
        let id = shopper_buys_again(&shopper).await;
        operator.send(&format!("{id}/allocate"), None, json!({})).await;
        let (cancel, ship) = (format!("/v1/orders/{id}/cancel"), format!("{id}/ship"));
        let (cancelled, shipped) =
            tokio::join!(shopper.post(&cancel, &json!({})).send(), operator.send(&ship, Some("s"), json!({"carrier": "DHL"})),);
        let mut both = [cancelled.unwrap().status().as_u16(), shipped.0];
        both.sort_unstable();
        assert_eq!(both, [200, 409]);
    }
}

async fn shopper_buys_again(shopper: &Shopper) -> String {
    shopper.post("/v1/cart/remove", &json!({"sku": "LAMP"})).send().await.unwrap();
    shopper.buy(&[("LAMP", 1)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_are_asked_for_their_token_and_told_what_is_wrong() {
    let running = Running::start().await;
    let orders = running.orders(None, &[]).await;
    let operator = Operator::at(&running, &orders);
    let base = format!("{}/admin/v1/orders", orders.admin);
    let bare = running.http.get(format!("{base}?status=placed")).send().await.unwrap();
    assert_eq!((bare.status().as_u16(), bare.headers()["www-authenticate"].to_str().unwrap()), (401, "Bearer"));
    let wrong =
        running.http.get(format!("{base}?status=placed")).bearer_auth("operators-token-of-the-testS").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    for (path, name) in [
        ("?status=eaten", "status"),
        ("?status=accepted", "status"),
        ("?status=placed&limit=0", "limit"),
        ("?status=placed&cursor=x", "cursor"),
        ("/x", "id"),
    ] {
        assert_eq!(operator.get(path).await["invalid_params"][0]["name"], name, "{path}");
    }
    let nobody = Uuid::new_v4();
    assert_eq!(operator.send(&format!("{nobody}/cancel"), None, json!({})).await.0, 404);
    for (body, name) in [
        (json!({"carrier": " "}), "carrier"),
        (json!({"carrier": "DHL", "tracking": "x".repeat(101)}), "tracking"),
        (json!({"carrier": "DHL", "lines": [{"sku": "LAMP", "quantity": 0}]}), "lines[0].quantity"),
        (json!({"carrier": "DHL", "by": "x".repeat(101)}), "by"),
        (json!({"carrier": "DHL", "reason": "a\u{7}"}), "reason"),
    ] {
        let (status, problem) = operator.send(&format!("{nobody}/ship"), Some("k"), body).await;
        assert_eq!((status, &problem["invalid_params"][0]["name"]), (400, &json!(name)));
    }
}
