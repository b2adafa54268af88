//! A payment provider beside `orders`, and shoppers who pay.

use std::{
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use backing_servers::free_listener;
use inventory_api::{Reservation, ReservationState};
use serde_json::{Value, json};
use sqlx::Row;
use uuid::Uuid;

use super::running::{Process, Running, Shopper, context, eventually};

/// Signs the sandbox's webhooks.
pub(crate) const SECRET: &str = "whsec_of_the_tests_and_nobody_else";

/// How long stock is held where a test waits for the end of it.
pub(crate) const HOLD_MS: &str = "3000";

/// The sandbox as a process; it ends with the value.
pub(crate) struct Sandbox {
    child: Child,
    pub(crate) url: String,
    secret: PathBuf,
    /// How long `orders` holds stock for it.
    pub(crate) hold_ms: &'static str,
    pub(crate) reconcile_after_ms: &'static str,
    _folder: tempfile::TempDir,
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sandbox {
    /// `webhooks`: where to send them.
    pub(crate) async fn start(running: &Running, webhooks: &[String]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, SECRET).unwrap();
        let ports: Vec<_> = (0..2).map(|_| free_listener().unwrap()).collect();
        let [http, admin] = [0, 1].map(|at| ports[at].local_addr().unwrap().to_string());
        drop(ports);
        let mut command = Command::new(env!("CARGO_BIN_EXE_orders"));
        command.args(["payment-sandbox", "--listen", &http, "--admin", &admin]);
        command.arg("--file").arg(folder.path().join("payments.jsonl")).arg("--webhook-secret-file").arg(&secret);
        if !webhooks.is_empty() {
            command.args(["--webhook", &webhooks.join(",")]);
        }
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let sandbox =
            Self { child, url: format!("http://{http}"), secret, hold_ms: HOLD_MS, reconcile_after_ms: "500", _folder: folder };
        eventually("the sandbox", async || {
            running.http.get(format!("http://{admin}/readyz")).send().await.ok().filter(|answer| answer.status() == 200)
        })
        .await;
        sandbox
    }

    /// What `orders` is told about it.
    fn arguments(&self) -> Vec<String> {
        let secret = self.secret.to_str().unwrap();
        let flags = ["--payments", "sandbox", "--payment-url", &self.url, "--payment-webhook-secret-file", secret];
        let times = ["--payment-hold-ms", self.hold_ms, "--payment-reconcile-after-ms", self.reconcile_after_ms];
        flags.iter().chain(&times).chain(&["--reconcile-after-ms", "300"]).map(|text| (*text).to_owned()).collect()
    }

    pub(crate) async fn orders(&self, running: &Running, fault: Option<&str>) -> Process {
        let arguments = self.arguments();
        running.orders(fault, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// The provider's payment of an order.
    pub(crate) async fn payment(&self, running: &Running, order: &str) -> Option<Value> {
        let answer = running.http.get(format!("{}/v1/payments/{order}", self.url)).send().await.unwrap();
        (answer.status() == 200).then_some(answer.json().await.unwrap())
    }

    pub(crate) async fn stage(&self, running: &Running, order: &str) -> String {
        let payment = self.payment(running, order).await;
        payment.map_or_else(|| "none".to_owned(), |payment| payment["stage"].as_str().unwrap().to_owned())
    }
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
