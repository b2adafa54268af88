//! A shop that takes payments, whoever the provider is, and shoppers who pay.

use inventory_api::{Reservation, ReservationState};
use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::running::{Process, Running, Shopper, context, eventually};

/// Signs the providers' webhooks.
pub(crate) const SECRET: &str = "whsec_of_the_tests_and_nobody_else";

/// How long stock is held where a test waits for the end of it.
pub(crate) const HOLD_MS: &str = "3000";

/// Holds that outlast the start of a process.
pub(crate) const LONG_MS: &str = "60000";

/// Longer than any card takes.
pub(crate) const PATIENT_MS: u64 = 60_000;

/// Longer than any test: nobody looks after an authorisation.
pub(crate) const NEVER_MS: &str = "600000";

/// A payment provider beside `orders`.
pub(crate) trait Provider {
    /// What `orders` is told about it.
    fn flags(&self) -> Vec<String>;

    /// Where its payment of an order stands: `none`, `authorised`, `captured`, `voided` or the provider's own word.
    async fn stage(&self, running: &Running, order: &str) -> String;
}

pub(crate) struct Shop<P> {
    pub(crate) running: Running,
    pub(crate) provider: P,
    /// How long `orders` holds stock.
    pub(crate) hold_ms: &'static str,
    pub(crate) reconcile_after_ms: &'static str,
}

impl<P: Provider> Shop<P> {
    pub(crate) fn of(running: Running, provider: P) -> Self {
        Self { running, provider, hold_ms: HOLD_MS, reconcile_after_ms: "500" }
    }

    pub(crate) async fn orders(&self, fault: Option<&str>) -> Process {
        let mut flags = self.provider.flags();
        let times = ["--payment-hold-ms", self.hold_ms, "--payment-reconcile-after-ms", self.reconcile_after_ms];
        flags.extend(times.iter().chain(&["--reconcile-after-ms", "300"]).map(|text| (*text).to_owned()));
        self.running.orders(fault, &flags.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// With so many lamps in the cart.
    pub(crate) async fn shopper(&self, orders: &Process, units: u32) -> Shopper {
        let shopper = Shopper::register(&self.running, orders).await;
        shopper.fill(&[("LAMP", units)]).await;
        shopper
    }

    /// A process that ends after an effect of somebody's checkout: who it is, with a cart of one lamp, and their key.
    pub(crate) async fn crash(&self, point: &str, method: &str) -> (Shopper, String) {
        let mut orders = self.orders(Some(point)).await;
        let shopper = self.shopper(&orders, 1).await;
        let own = key();
        assert!(pay(&shopper, &own, method, PATIENT_MS).await.is_none(), "{point} was not reached");
        orders.crashed().await;
        (shopper, own)
    }

    pub(crate) async fn stage(&self, order: &str) -> String {
        self.provider.stage(&self.running, order).await
    }

    /// Waits until the money is where it should be, at the provider and in PostgreSQL.
    pub(crate) async fn comes_to(&self, order: &str, wanted: &str) {
        eventually(wanted, async || {
            let noted = recorded_payment(&self.running, order).await;
            (self.stage(order).await == wanted && noted.as_deref() == Some(wanted)).then_some(())
        })
        .await;
    }
}

/// The id of an order that was placed.
pub(crate) fn order_of(answer: &(u16, Value)) -> &str {
    assert_eq!(answer.0, 201, "{}", answer.1);
    answer.1["id"].as_str().unwrap()
}

pub(crate) fn key() -> String {
    Uuid::new_v4().to_string()
}

/// Checks the cart out with a card, as an edge would that waits `wait_ms`. `None`: there was no answer.
pub(crate) async fn pay(shopper: &Shopper, key: &str, method: &str, wait_ms: u64) -> Option<(u16, Value)> {
    let ticket = shopper.post("/internal/v1/checkout-tickets", &json!({})).send().await.ok()?;
    let ticket: Value = ticket.json().await.ok()?;
    let address = json!({"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"});
    let body = json!({"delivery_address": address, "payment_method": method});
    let request = shopper.post("/v1/orders/checkout", &body).header("idempotency-key", key);
    let request =
        request.header("checkout-ticket", ticket["ticket"].as_str()?).header(storefront_service::DEADLINE_HEADER, wait_ms);
    let answer = request.send().await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

/// The stable end of a problem's type.
pub(crate) fn problem(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["type"].as_str().unwrap_or_default().rsplit("problems/").next().unwrap())
}

pub(crate) async fn state(shopper: &Shopper, key: &str) -> Value {
    shopper.get(&format!("/v1/orders/checkout/{key}")).await
}

/// The checkout's state as the shopper can ask for it, once it is this.
pub(crate) async fn becomes(shopper: &Shopper, key: &str, wanted: &str) -> Value {
    eventually(wanted, async || Some(state(shopper, key).await).filter(|found| found["state"] == wanted)).await
}

/// Both stores and the provider agree, and nothing is held: waits for it. Gives the orders that were recorded.
pub(crate) async fn books_balance(running: &Running, sku: &str, received: u64) -> Vec<String> {
    eventually("the books to balance", async || {
        let stock = running.stock(sku).await;
        let confirmed = open(running, ReservationState::Confirmed).await;
        let mut sql = running.sql().await;
        let rows =
            sqlx::query("select order_id, quantity from order_item where sku = $1").bind(sku).fetch_all(&mut sql).await.unwrap();
        let sold: u64 = rows.iter().map(|row| u64::try_from(row.get::<i64, _>("quantity")).unwrap()).sum();
        let balanced = stock.reserved() == 0 && confirmed.is_empty() && stock.on_hand() + sold == received;
        balanced.then(|| rows.iter().map(|row| row.get::<Uuid, _>("order_id").to_string()).collect())
    })
    .await
}

async fn open(running: &Running, state: ReservationState) -> Vec<Reservation> {
    running.inventory.reservations(&context(), state, 100, None).await.unwrap().items
}

/// Where PostgreSQL says that an order's payment stands.
pub(crate) async fn recorded_payment(running: &Running, order: &str) -> Option<String> {
    let row = sqlx::query("select state from payment where order_id = $1").bind(order.parse::<Uuid>().unwrap());
    row.fetch_optional(&mut running.sql().await).await.unwrap().map(|row| row.get("state"))
}
