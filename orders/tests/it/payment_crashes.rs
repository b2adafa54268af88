//! The process ends after any effect of a paid checkout; another one, alone or asked again by the shopper, brings it to rest.

use super::{
    running::{Running, eventually},
    sandbox::Sandbox,
    till::{PATIENT_MS, Provider, Shop, books_balance, pay, recorded_payment, state},
};

/// What came of it, read from the ledger of stock, PostgreSQL and the provider: an order that is whole, or nothing.
async fn rest(running: &Running, sandbox: &Sandbox, received: u64, before: &[String], order: &str) -> Option<String> {
    let recorded = books_balance(running, "LAMP", received).await;
    let made: Vec<String> = recorded.into_iter().filter(|id| !before.contains(id)).collect();
    eventually("the payment to rest", async || {
        let (stage, noted) = (sandbox.stage(running, order).await, recorded_payment(running, order).await);
        match made.as_slice() {
            [id] if id == order => (stage == "captured" && noted.as_deref() == Some("captured")).then_some(()),
            [] => (matches!(stage.as_str(), "none" | "voided" | "declined") && noted.is_none()).then_some(()),
            other => panic!("{order} is recorded as {other:?}"),
        }
    })
    .await;
    made.into_iter().next()
}

async fn after(points: &[&str], method: &str, asked_again: bool) {
    let received = 100;
    let mut shop = Shop::at_the_sandbox(100).await;
    // Long enough for another process to start.
    shop.hold_ms = "15000";
    let mut placed: Vec<String> = Vec::new();
    for point in points {
        let (mut shopper, key) = shop.crash(point, method).await;
        let orders = shop.orders(None).await;
        shopper.base = orders.http.clone();
        if asked_again {
            let answer = pay(&shopper, &key, method, PATIENT_MS).await.unwrap();
            let wanted = if method == "pm_card_declined" { 402 } else { 201 };
            assert_eq!(answer.0, wanted, "{point}: {}", answer.1);
        }
        let order =
            eventually("the order's id", async || state(&shopper, &key).await["order_id"].as_str().map(str::to_owned)).await;
        let whole = rest(&shop.running, &shop.provider, received, &placed, &order).await;
        let paid = method != "pm_card_declined" && (asked_again || *point != "after-reserve");
        assert_eq!(whole.is_some(), paid, "{point}, asked again: {asked_again}");
        placed.extend(whole);
    }
}

const POINTS: [&str; 6] =
    ["after-reserve", "after-authorise", "after-confirm", "after-record", "after-capture", "after-acknowledge"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reconciler_of_another_process_finishes() {
    after(&POINTS, "pm_card_visa", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_key_at_another_process_finishes() {
    after(&POINTS, "pm_card_visa", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_declined_payment_leaves_nothing_wherever_it_ends() {
    for asked_again in [false, true] {
        after(&["after-authorise", "after-release"], "pm_card_declined", asked_again).await;
    }
}
