//! Checkouts that are paid for, at the sandbox's cards.

use std::time::Duration;

use serde_json::json;

use super::{
    running::{Running, Shopper, context, eventually},
    sandbox::Sandbox,
    till::{HOLD_MS, LONG_MS, NEVER_MS, PATIENT_MS, Shop, becomes, books_balance, key, order_of, pay, problem, state},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_is_charged_once_and_a_refusal_is_final() {
    let (shop, orders) = Shop::open(10, LONG_MS).await;
    let ada = shop.shopper(&orders, 2).await;
    for (method, reason) in [("", "payment_method"), ("none", "payment_method"), ("a b", "payment_method")] {
        let refused = pay(&ada, &key(), method, PATIENT_MS).await.unwrap();
        assert_eq!((problem(&refused), &refused.1["invalid_params"][0]["name"]), ((400, "invalid-request"), &json!(reason)));
    }
    let first = key();
    let declined = pay(&ada, &first, "pm_card_insufficient_funds", PATIENT_MS).await.unwrap();
    assert_eq!(problem(&declined), (402, "payment-declined"));
    assert!(declined.1["detail"].as_str().unwrap().starts_with("insufficient_funds"));
    assert_eq!(shop.running.stock("LAMP").await.reserved(), 0, "the stock is free at once");
    let again = pay(&ada, &first, "pm_card_insufficient_funds", PATIENT_MS).await.unwrap();
    assert_eq!(problem(&again), (402, "payment-declined"));
    let other = pay(&ada, &first, "pm_card_visa", PATIENT_MS).await.unwrap();
    assert!(other.0 == 402 || other.0 == 409 || other.0 == 422, "{other:?}");
    assert_eq!(state(&ada, &first).await["state"], "rejected");

    let second = key();
    let (one, two) = tokio::join!(pay(&ada, &second, "pm_card_visa", PATIENT_MS), pay(&ada, &second, "pm_card_visa", PATIENT_MS));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(order_of(&one), order_of(&two));
    shop.comes_to(order_of(&one), "captured").await;
    assert_eq!(state(&ada, &second).await["state"], "placed");
    assert_eq!(books_balance(&shop.running, "LAMP", 10).await, [order_of(&one)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_on_the_way_is_found_and_never_doubled() {
    let (shop, orders) = Shop::open(10, LONG_MS).await;
    for method in ["pm_card_lost", "pm_card_late", "pm_card_capture_lost"] {
        let ada = shop.shopper(&orders, 1).await;
        let bought = pay(&ada, &key(), method, PATIENT_MS).await.unwrap();
        shop.comes_to(order_of(&bought), "captured").await;
        let payment = shop.provider.payment(&shop.running, order_of(&bought)).await.unwrap();
        let asks = payment["asks"].as_u64().unwrap();
        assert!((method == "pm_card_capture_lost") == (asks == 1), "{method} was asked for {asks} times");
    }
    // Made, and never told: the shopper hears that it is not known, and the reconciler finishes it.
    let ada = shop.shopper(&orders, 1).await;
    let silent = key();
    let unknown = pay(&ada, &silent, "pm_card_silent", 4_000).await.unwrap();
    assert_eq!(problem(&unknown).0, 504, "{unknown:?}");
    let placed = becomes(&ada, &silent, "placed").await;
    shop.comes_to(placed["order_id"].as_str().unwrap(), "captured").await;
    assert_eq!(books_balance(&shop.running, "LAMP", 10).await.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_checkout_replaces_the_shoppers_own_hold() {
    let (shop, orders) = Shop::open(1, LONG_MS).await;
    let ada = shop.shopper(&orders, 1).await;
    let first = key();
    // Nothing is made, and no answer comes: the only lamp is held.
    let waiting = pay(&ada, &first, "pm_card_timeout", 2_000).await.unwrap();
    assert_eq!(waiting.0, 504);
    assert_eq!((state(&ada, &first).await["state"].clone(), shop.running.stock("LAMP").await.reserved()), (json!("pending"), 1));
    let bob = shop.shopper(&orders, 1).await;
    assert_eq!(problem(&pay(&bob, &key(), "pm_card_visa", PATIENT_MS).await.unwrap()), (409, "insufficient-stock"));
    let bought = pay(&ada, &key(), "pm_card_visa", PATIENT_MS).await.unwrap();
    shop.comes_to(order_of(&bought), "captured").await;
    assert_eq!(state(&ada, &first).await["state"], "rejected");
    assert_eq!(problem(&pay(&ada, &first, "pm_card_timeout", 2_000).await.unwrap()), (409, "checkout-given-up"));
    assert_eq!(books_balance(&shop.running, "LAMP", 1).await, [order_of(&bought)]);
}

/// Every state that the shopper is told of a checkout, until there is an order.
async fn told_until_placed(shopper: &Shopper, key: &str) -> Vec<serde_json::Value> {
    let mut told = Vec::new();
    eventually("the order", async || {
        let now = state(shopper, key).await["state"].clone();
        let is_over = now == "placed" || now == "accepted";
        if told.last() != Some(&now) {
            told.push(now);
        }
        is_over.then_some(())
    })
    .await;
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hold_that_ends_during_the_payment_is_reserved_again_or_the_payment_is_voided() {
    let mut shop = Shop::at_the_sandbox(2).await;
    shop.reconcile_after_ms = NEVER_MS;
    let orders = shop.orders(None).await;
    let ada = shop.shopper(&orders, 2).await;
    // The card answers after 6 s, the hold ends after 3, and no reconciler helps.
    let first_key = key();
    let (bought, told) = tokio::join!(pay(&ada, &first_key, "pm_card_late", PATIENT_MS), told_until_placed(&ada, &first_key));
    assert!(!told.contains(&json!("rejected")), "nothing is refused while the payment is under way: {told:?}");
    let bought = bought.unwrap();
    let order = order_of(&bought).to_owned();
    shop.comes_to(&order, "captured").await;
    let first: inventory_api::Reservation = {
        let id = order.parse().unwrap();
        shop.running.inventory.reservation(&context(), id).await.unwrap().unwrap()
    };
    assert_eq!(first.state, inventory_api::ReservationState::Expired, "hold of {HOLD_MS} ms");
    // The same, and somebody else buys meanwhile.
    shop.running.receive("LAMP", "eu-1", 1).await;
    let (bob, eve) = (shop.shopper(&orders, 1).await, shop.shopper(&orders, 1).await);
    let late = key();
    let slow = tokio::spawn(async move { (pay(&bob, &late, "pm_card_late", PATIENT_MS).await.unwrap(), bob, late) });
    eventually("the hold", async || (shop.running.stock("LAMP").await.reserved() > 0).then_some(())).await;
    let quick = eventually("the hold to end", async || {
        let sold = pay(&eve, &key(), "pm_card_visa", PATIENT_MS).await.unwrap();
        (sold.0 == 201).then_some(sold)
    });
    let quick = quick.await;
    let (refused, bob, late) = slow.await.unwrap();
    assert_eq!(problem(&refused), (409, "insufficient-stock"));
    let lost = state(&bob, &late).await;
    assert_eq!(lost["state"], "rejected");
    let lost = lost["order_id"].as_str().unwrap();
    eventually("the void", async || (shop.stage(lost).await == "voided").then_some(())).await;
    let mut placed = vec![order, order_of(&quick).to_owned()];
    placed.sort();
    let mut recorded = books_balance(&shop.running, "LAMP", 3).await;
    recorded.sort();
    assert_eq!(recorded, placed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_payment_is_finished_by_the_providers_word() {
    let running = Running::start().await;
    running.receive("LAMP", "eu-1", 5).await;
    // The address of `orders` is known only afterwards, so webhooks are handed on from here.
    let (hooks, mut heard) = tokio::sync::mpsc::channel::<(String, String)>(100);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let receiver = format!("http://{}/hook", listener.local_addr().unwrap());
    let take = async move |headers: axum::http::HeaderMap, body: String| {
        hooks.send((headers["payment-signature"].to_str().unwrap().to_owned(), body)).await.unwrap();
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().route("/hook", axum::routing::post(take))).await });
    let sandbox = Sandbox::start(&running, &[receiver]).await;
    let mut shop = Shop::of(running, sandbox);
    // Whoever is not told by a webhook waits longer than this test.
    (shop.hold_ms, shop.reconcile_after_ms) = (LONG_MS, NEVER_MS);
    let orders = shop.orders(None).await;
    let (running, ada) = (&shop.running, shop.shopper(&orders, 1).await);
    let pending = key();
    assert_eq!(pay(&ada, &pending, "pm_card_pending", 5_000).await.unwrap().0, 504);
    assert_eq!(state(&ada, &pending).await["state"], "pending");
    let (signature, body) = tokio::time::timeout(Duration::from_secs(30), heard.recv()).await.unwrap().unwrap();
    let send = async |signature: &str, body: &str| {
        let request = running.http.post(format!("{}/v1/payments/webhooks", orders.http)).body(body.to_owned());
        request.header("payment-signature", signature).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(&signature, &body.replace("authorised", "captured")).await, 403);
    assert_eq!(send(&signature.replace("t=", "t=1"), &body).await, 403);
    assert_eq!(send("", &body).await, 403);
    assert_eq!(state(&ada, &pending).await["state"], "pending");
    assert_eq!((send(&signature, &body).await, send(&signature, &body).await), (200, 200));
    let placed = becomes(&ada, &pending, "placed").await;
    assert_eq!(books_balance(running, "LAMP", 5).await, [placed["order_id"].as_str().unwrap()]);
    let mut sql = running.sql().await;
    let taken: i64 = sqlx::query_scalar("select count(*) from payment_event").fetch_one(&mut sql).await.unwrap();
    assert_eq!(taken, 1, "an event sent twice is taken once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_takes_nothing_and_holds_nothing_for_long() {
    let (Shop { running, provider, .. }, orders) = Shop::open(1, HOLD_MS).await;
    drop(provider);
    let ada = Shopper::register(&running, &orders).await;
    ada.fill(&[("LAMP", 1)]).await;
    let first = key();
    assert_eq!(problem(&pay(&ada, &first, "pm_card_visa", PATIENT_MS).await.unwrap()), (503, "unavailable"));
    becomes(&ada, &first, "rejected").await;
    assert!(books_balance(&running, "LAMP", 1).await.is_empty());
}
