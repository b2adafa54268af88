//! Two checkouts of one cart make one order with one payment, wherever the first of them stands.

use inventory_api::ReservationState;
use serde_json::json;

use super::{
    running::{PRODUCTS, Running, Shopper, context, eventually},
    till::{LONG_MS, NEVER_MS, PATIENT_MS, Provider, Shop, books_balance, key, order_of, pay, problem, state},
};

async fn holds_end(running: &Running) {
    eventually("the hold to end", async || (running.stock("LAMP").await.reserved() == 0).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_checkout_ends_one_that_has_not_begun_or_is_between_two_holds() {
    for point in ["after-replace", "after-reserve"] {
        let shop = Shop::at_the_sandbox(5).await;
        let (mut ada, first) = shop.crash(point, "pm_card_visa").await;
        holds_end(&shop.running).await;
        let orders = shop.orders(None).await;
        ada.base = orders.http.clone();
        let bought = pay(&ada, &key(), "pm_card_visa", PATIENT_MS).await.unwrap();
        shop.comes_to(order_of(&bought), "captured").await;
        // The earlier one wakes up, with the cart as it was then.
        ada.post("/v1/cart/remove", &json!({"sku": "LAMP"})).send().await.unwrap();
        ada.fill(&[("LAMP", 1)]).await;
        let again = pay(&ada, &first, "pm_card_visa", PATIENT_MS).await.unwrap();
        assert_eq!(problem(&again), (409, "checkout-given-up"), "{point}");
        assert_eq!(books_balance(&shop.running, "LAMP", 5).await, [order_of(&bought)], "{point}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_of_another_amount_confirms_nothing_and_is_voided() {
    let mut shop = Shop::at_the_sandbox(5).await;
    (shop.hold_ms, shop.reconcile_after_ms) = (LONG_MS, NEVER_MS);
    let (mut ada, left) = shop.crash("after-reserve", "pm_card_visa").await;
    let quiet = shop.orders(None).await;
    ada.base = quiet.http.clone();
    let held = state(&ada, &left).await;
    let order = held["order_id"].as_str().unwrap().to_owned();
    assert_eq!(held["state"], "pending");
    let other = json!({"order_id": order, "amount": {"amount": 1, "currency": "USD"}, "method": "pm_card_visa"});
    let made = shop.running.http.post(format!("{}/v1/payments", shop.provider.url)).json(&other).send().await.unwrap();
    assert_eq!(made.status(), 200);
    drop(quiet);
    shop.reconcile_after_ms = "500";
    let orders = shop.orders(None).await;
    ada.base = orders.http.clone();
    eventually("the void", async || (shop.stage(&order).await == "voided").then_some(())).await;
    let found = shop.running.inventory.reservation(&context(), order.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!((found.state, &state(&ada, &left).await["state"]), (ReservationState::Released, &json!("rejected")));
    assert!(books_balance(&shop.running, "LAMP", 5).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_costs_nothing_needs_no_payment() {
    let (shop, orders) = Shop::open(1, LONG_MS).await;
    shop.running.receive("GIFT", "eu-1", 1).await;
    let ada = Shopper::register(&shop.running, &orders).await;
    ada.fill(&[("LAMP", 1)]).await;
    let (status, told) = ada.check_out().await;
    assert_eq!((status, &told["invalid_params"][0]["name"]), (400, &json!("payment_method")), "{told}");
    ada.post("/v1/cart/remove", &json!({"sku": "LAMP"})).send().await.unwrap();
    ada.fill(&[("GIFT", 1)]).await;
    let (status, order) = ada.check_out().await;
    assert_eq!(status, 201, "{order}");
    assert_eq!(shop.provider.stage(&shop.running, order["id"].as_str().unwrap()).await, "none");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_cost_nothing_stays_so_when_its_price_rises_before_the_answer_is_heard() {
    let shop = Shop::at_the_sandbox(1).await;
    shop.running.receive("GIFT", "eu-1", 1).await;
    // Nobody records what an instance left behind: only the inventory knows the order.
    let mut flags = shop.provider.flags();
    let never = ["--reconcile-after-ms", NEVER_MS, "--payment-reconcile-after-ms", NEVER_MS];
    flags.extend(never.map(str::to_owned));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut dying = shop.running.orders(Some("after-purchase"), &flags).await;
    let mut ada = Shopper::register(&shop.running, &dying).await;
    ada.fill(&[("GIFT", 1)]).await;
    let own = key();
    assert!(pay(&ada, &own, "pm_card_visa", PATIENT_MS).await.is_none(), "the instance died");
    dying.crashed().await;
    shop.running.import(&PRODUCTS.replace("GIFT,0,0.00", "GIFT,0,5.00")).await;
    let orders = shop.running.orders(None, &flags).await;
    ada.base = orders.http.clone();
    eventually("the new price to be shown", async || {
        (ada.get("/v1/cart").await["lines"][0]["unit_price"]["amount"] == 500).then_some(())
    })
    .await;
    let again = pay(&ada, &own, "pm_card_visa", PATIENT_MS).await.unwrap();
    assert_eq!((again.0, &again.1["total"]["amount"]), (201, &json!(0)), "{}", again.1);
    assert_eq!(shop.stage(order_of(&again)).await, "none", "nothing is paid");
    assert_eq!(books_balance(&shop.running, "GIFT", 1).await, [order_of(&again)]);
}
