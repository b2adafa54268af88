//! Money goes back once, as much as is due, also when the process dies in between.

use serde_json::{Value, json};

use super::{
    life::at_rest,
    running::{Operator, Process, Running, Shopper, eventually},
    sandbox::Sandbox,
    till::{PATIENT_MS, Provider, Shop, key, pay},
};

async fn bought(running: &Running, sandbox: &Sandbox, shopper: &Shopper, units: u32) -> String {
    shopper.post("/v1/cart/remove", &json!({"sku": "LAMP"})).send().await.unwrap();
    shopper.fill(&[("LAMP", units)]).await;
    let (status, order) = pay(shopper, &key(), "pm_card_visa", PATIENT_MS).await.unwrap();
    assert_eq!(status, 201, "{order}");
    let id = order["id"].as_str().unwrap().to_owned();
    eventually("the capture", async || (sandbox.stage(running, &id).await == "captured").then_some(())).await;
    id
}

async fn paid(operator: &Operator, id: &str) -> Value {
    let told = eventually("the order to be paid", async || {
        Some(operator.get(&format!("/{id}")).await).filter(|told| told["order"]["status"] == "paid")
    })
    .await;
    assert_eq!((&told["history"][1]["by"], &told["is_paid"]), (&json!("payments"), &json!(true)));
    told
}

/// Amounts that the provider gave back.
async fn given_back(running: &Running, sandbox: &Sandbox, id: &str) -> Vec<i64> {
    let payment = sandbox.payment(running, id).await.unwrap();
    let refunds = payment["refunds"].as_array().unwrap().iter();
    let mut amounts: Vec<i64> = refunds.map(|refund| refund["amount"]["amount"].as_i64().unwrap()).collect();
    amounts.sort_unstable();
    amounts
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_paid_is_given_back_once_and_in_parts() {
    let shop = Shop::at_the_sandbox(10).await;
    let (running, sandbox) = (&shop.running, &shop.provider);
    let mut orders: Process = shop.orders(None).await;
    let (shopper, operator) = (Shopper::register(running, &orders).await, Operator::at(running, &orders));
    let returned = bought(running, sandbox, &shopper, 3).await;
    let cancelled = bought(running, sandbox, &shopper, 2).await;
    paid(&operator, &returned).await;
    paid(&operator, &cancelled).await;
    operator.send(&format!("{returned}/allocate"), None, json!({})).await;
    operator.send(&format!("{returned}/ship"), Some("p"), json!({"carrier": "DHL"})).await;
    for (nth, quantity) in [(1, 1), (2, 2)] {
        let back = json!({"lines": [{"sku": "LAMP", "quantity": quantity, "restock": true}]});
        let path = format!("{returned}/return");
        let first = operator.send(&path, Some(&format!("r-{nth}")), back.clone()).await;
        assert_eq!((first.0, operator.send(&path, Some(&format!("r-{nth}")), back).await.0), (200, 200));
    }
    let told = at_rest(&operator, &returned).await;
    assert_eq!(
        (&told["order"]["refunds"][0]["state"], given_back(running, sandbox, &returned).await),
        (&json!("done"), vec![2_000, 4_000])
    );

    // A part is called off after another was shipped.
    let parted = bought(running, sandbox, &shopper, 2).await;
    operator.send(&format!("{parted}/allocate"), None, json!({})).await;
    let parcel = json!({"carrier": "DHL", "lines": [{"sku": "LAMP", "quantity": 1}]});
    operator.send(&format!("{parted}/ship"), Some("p"), parcel).await;
    assert_eq!(operator.send(&format!("{parted}/cancel"), None, json!({})).await.0, 200);
    at_rest(&operator, &parted).await;
    assert_eq!(given_back(running, sandbox, &parted).await, [2_000]);

    // The process dies between the cancellation and the money.
    orders.kill();
    orders = shop.orders(Some("after-transition")).await;
    let shopper = Shopper { base: orders.http.clone(), ..shopper };
    assert!(shopper.post(&format!("/v1/orders/{cancelled}/cancel"), &json!({})).send().await.is_err());
    orders.crashed().await;
    assert!(given_back(running, sandbox, &cancelled).await.is_empty());
    let orders = shop.orders(None).await;
    let operator = Operator::at(running, &orders);
    let told = at_rest(&operator, &cancelled).await;
    assert_eq!(told["order"]["status"], "cancelled");
    assert_eq!(given_back(running, sandbox, &cancelled).await, [4_000]);
    assert_eq!(running.stock("LAMP").await.on_hand(), 9);
}
