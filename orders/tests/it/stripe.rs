//! Checkouts through Stripe's API, at a server that speaks it.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use time::OffsetDateTime;

use super::{
    life::at_rest,
    running::{Operator, Running, eventually},
    stripe_server::{KEY, Stripe},
    till::{LONG_MS, NEVER_MS, PATIENT_MS, Provider, SECRET, Shop, becomes, books_balance, key, order_of, pay, problem, state},
};

/// The server, and the files that `orders` reads its secrets from.
struct AtStripe {
    stripe: Stripe,
    base: String,
    folder: tempfile::TempDir,
    /// The file with the API key.
    key: &'static str,
}

impl Provider for AtStripe {
    fn flags(&self) -> Vec<String> {
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let (key, secret) = (file(self.key), file("secret"));
        let provider = ["--payments", "stripe", "--payment-url", &self.base, "--payment-key-file", &key];
        provider.iter().chain(&["--payment-webhook-secret-file", &secret]).map(|text| (*text).to_owned()).collect()
    }

    async fn stage(&self, _: &Running, order: &str) -> String {
        let intents = self.stripe.of(order);
        assert!(intents.len() < 2, "an order has one payment: {intents:?}");
        let status = intents.first().map_or("none", |intent| intent["status"].as_str().unwrap());
        match status {
            "requires_capture" => "authorised",
            "succeeded" => "captured",
            "canceled" => "voided",
            other => other,
        }
        .to_owned()
    }
}

impl Shop<AtStripe> {
    async fn at_stripe(hold_ms: &'static str, reconcile_after_ms: &'static str) -> Self {
        let running = Running::start().await;
        running.receive("LAMP", "eu-1", 20).await;
        let (stripe, folder) = (Stripe::default(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
        std::fs::write(folder.path().join("wrong"), "sk_test_wrong").unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        let provider = AtStripe { base: stripe.start().await, stripe, folder, key: "key" };
        Self { hold_ms, reconcile_after_ms, ..Self::of(running, provider) }
    }

    fn stripe(&self) -> &Stripe {
        &self.provider.stripe
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_is_made_once_captured_after_the_record_and_told_by_signed_events() {
    let shop = Shop::at_stripe(LONG_MS, NEVER_MS).await;
    let orders = shop.orders(None).await;
    let mut placed = Vec::new();
    // One that is being processed is answered so for ever under its key, and is looked at by its id.
    for (method, asks) in [("pm_card_visa", 1), ("pm_card_lost", 2), ("pm_card_server_error", 2), ("pm_card_processing", 2)] {
        let (ada, before) = (shop.shopper(&orders, 1).await, shop.stripe().asked("/v1/payment_intents"));
        let bought = pay(&ada, &key(), method, PATIENT_MS).await.unwrap();
        let order = order_of(&bought).to_owned();
        shop.comes_to(&order, "captured").await;
        assert_eq!(shop.stripe().asked("/v1/payment_intents") - before, asks, "{method}");
        let intent = &shop.stripe().of(&order)[0];
        assert_eq!((&intent["amount"], &intent["currency"]), (&json!(2_000), &json!("usd")));
        placed.push(order);
    }
    let ada = shop.shopper(&orders, 1).await;
    let declined_key = key();
    for _ in 0..2 {
        let declined = pay(&ada, &declined_key, "pm_card_chargeDeclined", PATIENT_MS).await.unwrap();
        assert_eq!(problem(&declined), (402, "payment-declined"));
        assert!(declined.1["detail"].as_str().unwrap().starts_with("generic_decline"));
    }
    assert_eq!(state(&ada, &declined_key).await["state"], "rejected");
    let mut recorded = books_balance(&shop.running, "LAMP", 20).await;
    recorded.sort();
    placed.sort();
    assert_eq!(recorded, placed);
}

/// As Stripe signs, <https://docs.stripe.com/webhooks#verify-manually>.
fn signed(at_s: i64, body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(format!("{at_s}.{body}"));
    let tag: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at_s},v1={tag}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_finishes_what_a_crash_left_and_is_taken_once() {
    let shop = Shop::at_stripe(LONG_MS, NEVER_MS).await;
    let (mut ada, left) = shop.crash("after-authorise", "pm_card_visa").await;
    let orders = shop.orders(None).await;
    ada.base = orders.http.clone();
    let pending = state(&ada, &left).await;
    assert_eq!(pending["state"], "pending");
    let order = pending["order_id"].as_str().unwrap();
    let intent = &shop.stripe().of(order)[0];
    let body =
        json!({"id": "evt_1", "object": "event", "type": "payment_intent.amount_capturable_updated", "data": {"object": intent}});
    let (body, now) = (body.to_string(), OffsetDateTime::now_utc().unix_timestamp());
    let send = async |header: String| {
        let request = shop.running.http.post(format!("{}/v1/payments/webhooks", orders.http)).body(body.clone());
        request.header("stripe-signature", header).send().await.unwrap().status().as_u16()
    };
    assert_eq!(send(signed(now - 400, &body)).await, 403, "too old");
    assert_eq!(send(signed(now, &body).replace("v1=", "v1=00")).await, 403, "forged");
    assert_eq!(state(&ada, &left).await["state"], "pending");
    assert_eq!((send(signed(now, &body)).await, send(signed(now, &body)).await), (200, 200));
    becomes(&ada, &left, "placed").await;
    shop.comes_to(order, "captured").await;
    assert_eq!((shop.stripe().asked("/v1/payment_intents"), shop.stripe().asked("/capture")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authorisation_that_nobody_needs_is_cancelled_and_a_wrong_key_takes_nothing() {
    let mut shop = Shop::at_stripe("3000", NEVER_MS).await;
    // The first one's cancellation is never answered: it keeps nobody else waiting.
    let (_, _) = shop.crash("after-authorise", "pm_card_stuck").await;
    let (mut ada, left) = shop.crash("after-authorise", "pm_card_visa").await;
    shop.provider.key = "wrong";
    let refused = shop.orders(None).await;
    ada.base = refused.http.clone();
    let eve = shop.shopper(&refused, 1).await;
    assert_eq!(problem(&pay(&eve, &key(), "pm_card_visa", PATIENT_MS).await.unwrap()), (503, "unavailable"));
    let order = state(&ada, &left).await["order_id"].as_str().unwrap().to_owned();
    // The holds end by themselves before anybody looks after the authorisations.
    eventually("the holds to end", async || (shop.running.stock("LAMP").await.reserved() == 0).then_some(())).await;
    drop(refused);
    (shop.provider.key, shop.reconcile_after_ms) = ("key", "500");
    let orders = shop.orders(None).await;
    ada.base = orders.http.clone();
    eventually("the void", async || (shop.stage(&order).await == "voided").then_some(())).await;
    assert_eq!(state(&ada, &left).await["state"], "rejected", "nobody can pay for it any more");
    assert!(books_balance(&shop.running, "LAMP", 20).await.is_empty());
    assert_eq!(problem(&pay(&ada, &left, "pm_card_visa", PATIENT_MS).await.unwrap()), (409, "checkout-given-up"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_is_made_once_also_when_its_key_is_forgotten() {
    let shop = Shop::at_stripe(LONG_MS, NEVER_MS).await;
    let orders = shop.orders(None).await;
    let (ada, operator) = (shop.shopper(&orders, 1).await, Operator::at(&shop.running, &orders));
    let bought = pay(&ada, &key(), "pm_card_visa", PATIENT_MS).await.unwrap();
    let order = order_of(&bought);
    shop.comes_to(order, "captured").await;
    assert_eq!(operator.send(&format!("{order}/cancel"), None, json!({})).await.0, 200);
    at_rest(&operator, order).await;
    assert_eq!((shop.stripe().refunds().len(), &shop.stripe().refunds()[0]["amount"]), (1, &json!(2_000)));
    // As when the answer to it was lost, and PostgreSQL was away for a day.
    shop.stripe().forget_keys();
    let again = "update order_effect set done_at = null, next_attempt_at = now() where kind = 'refund'";
    sqlx::query(again).execute(&mut shop.running.sql().await).await.unwrap();
    at_rest(&operator, order).await;
    assert_eq!(shop.stripe().refunds().len(), 1);
}
