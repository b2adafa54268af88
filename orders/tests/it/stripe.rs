//! Checkouts through Stripe's API, at a server that speaks it.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::json;
use sha2::Sha256;
use time::OffsetDateTime;

use super::{
    running::{Process, Running, Shopper, eventually},
    stripe_server::{KEY, Stripe},
    till::{HOLD_MS, SECRET, becomes, books_balance, key, pay, problem, recorded_payment, state},
};

const PATIENT_MS: u64 = 60_000;

/// Holds that outlast the start of a process.
const LONG_MS: &str = "30000";

struct Shop {
    running: Running,
    stripe: Stripe,
    base: String,
    folder: tempfile::TempDir,
    hold_ms: &'static str,
}

impl Shop {
    async fn open(hold_ms: &'static str) -> Self {
        let running = Running::start().await;
        running.receive("LAMP", "eu-1", 20).await;
        let (stripe, folder) = (Stripe::default(), tempfile::tempdir().unwrap());
        std::fs::write(folder.path().join("key"), format!("{KEY}\n")).unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        Self { base: stripe.start().await, running, stripe, folder, hold_ms }
    }

    async fn orders(&self, key: &str, fault: Option<&str>, reconcile_after_ms: &str) -> Process {
        let file = |name: &str| self.folder.path().join(name).to_str().unwrap().to_owned();
        let (key, secret) = (file(key), file("secret"));
        let provider = ["--payments", "stripe", "--payment-url", &self.base, "--payment-key-file", &key];
        let times = ["--payment-hold-ms", self.hold_ms, "--payment-reconcile-after-ms", reconcile_after_ms];
        let hooks = ["--payment-webhook-secret-file", secret.as_str(), "--reconcile-after-ms", "300"];
        self.running.orders(fault, &[&provider[..], &times, &hooks].concat()).await
    }

    async fn shopper(&self, orders: &Process) -> Shopper {
        let shopper = Shopper::register(&self.running, orders).await;
        shopper.fill(&[("LAMP", 1)]).await;
        shopper
    }

    fn status(&self, order: &str) -> Vec<String> {
        self.stripe.of(order).iter().map(|intent| intent["status"].as_str().unwrap().to_owned()).collect()
    }

    async fn captured(&self, order: &str) {
        eventually("the capture", async || {
            let noted = recorded_payment(&self.running, order).await;
            (self.status(order) == ["succeeded"] && noted.as_deref() == Some("captured")).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_intent_is_made_once_captured_after_the_record_and_told_by_signed_events() {
    let shop = Shop::open(LONG_MS).await;
    let orders = shop.orders("key", None, "600000").await;
    let mut placed = Vec::new();
    for (method, asks) in [("pm_card_visa", 1), ("pm_card_lost", 2), ("pm_card_server_error", 2)] {
        let (ada, before) = (shop.shopper(&orders).await, shop.stripe.asked("/v1/payment_intents"));
        let bought = pay(&ada, &key(), method, PATIENT_MS).await.unwrap();
        assert_eq!(bought.0, 201, "{method}: {}", bought.1);
        let order = bought.1["id"].as_str().unwrap().to_owned();
        shop.captured(&order).await;
        assert_eq!(shop.stripe.asked("/v1/payment_intents") - before, asks, "{method}");
        let intent = &shop.stripe.of(&order)[0];
        assert_eq!((&intent["amount"], &intent["currency"]), (&json!(2_000), &json!("usd")));
        placed.push(order);
    }
    let ada = shop.shopper(&orders).await;
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
    let shop = Shop::open(LONG_MS).await;
    let mut crashing = shop.orders("key", Some("after-authorise"), "600000").await;
    let mut ada = shop.shopper(&crashing).await;
    let left = key();
    assert!(pay(&ada, &left, "pm_card_visa", PATIENT_MS).await.is_none());
    crashing.crashed().await;
    let orders = shop.orders("key", None, "600000").await;
    ada.base = orders.http.clone();
    let pending = state(&ada, &left).await;
    assert_eq!(pending["state"], "pending");
    let order = pending["order_id"].as_str().unwrap();
    let intent = &shop.stripe.of(order)[0];
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
    shop.captured(order).await;
    assert_eq!((shop.stripe.asked("/v1/payment_intents"), shop.stripe.asked("/capture")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authorisation_that_nobody_needs_is_cancelled_and_a_wrong_key_takes_nothing() {
    let shop = Shop::open(HOLD_MS).await;
    let mut crashing = shop.orders("key", Some("after-authorise"), "600000").await;
    let mut ada = shop.shopper(&crashing).await;
    let left = key();
    assert!(pay(&ada, &left, "pm_card_visa", PATIENT_MS).await.is_none());
    crashing.crashed().await;
    std::fs::write(shop.folder.path().join("wrong"), "sk_test_wrong").unwrap();
    let refused = shop.orders("wrong", None, "600000").await;
    ada.base = refused.http.clone();
    let eve = shop.shopper(&refused).await;
    assert_eq!(problem(&pay(&eve, &key(), "pm_card_visa", PATIENT_MS).await.unwrap()), (503, "unavailable"));
    // The hold ends by itself before anybody looks after the authorisation.
    becomes(&ada, &left, "rejected").await;
    drop(refused);
    let orders = shop.orders("key", None, "500").await;
    ada.base = orders.http.clone();
    let order = state(&ada, &left).await["order_id"].as_str().unwrap().to_owned();
    eventually("the void", async || (shop.status(&order) == ["canceled"]).then_some(())).await;
    assert!(books_balance(&shop.running, "LAMP", 20).await.is_empty());
    assert_eq!(problem(&pay(&ada, &left, "pm_card_visa", PATIENT_MS).await.unwrap()), (409, "checkout-given-up"));
}
