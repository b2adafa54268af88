//! `cargo deploy up --payments sandbox`, as a shopper at an edge meets it.

use deploy::{Payments, Spec};
use deploy_api::ProcessKind;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::running::{Running, eventually};

struct Shopper {
    http: Client,
    edge: String,
    token: String,
}

impl Shopper {
    async fn register(edge: &str) -> Self {
        let http = Client::new();
        let body = json!({"email": format!("{}@example.org", Uuid::new_v4().simple()), "phone_number": "+4930123456"});
        let answer = http.post(format!("http://{edge}/v1/users/register")).json(&body).send().await.unwrap();
        let token = answer.json::<Value>().await.unwrap()["session_token"].as_str().unwrap().to_owned();
        Self { http, edge: edge.to_owned(), token }
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = self.http.post(format!("http://{}{path}", self.edge)).bearer_auth(&self.token);
        let answer = request.header("idempotency-key", Uuid::new_v4().to_string()).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn pay(&self, method: &str) -> (StatusCode, Value) {
        let address = json!({"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"});
        self.post("/v1/orders/checkout", &json!({"delivery_address": address, "payment_method": method})).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cards_are_charged_and_declined_at_an_edge() {
    let running = Running::of(Spec::read(None).unwrap().with_payments(Payments::Sandbox)).await;
    let shopper = Shopper::register(&running.edges()[0]).await;
    let (status, _) = shopper.post("/v1/cart/add", &json!({"sku": "CALM-1", "quantity": 1})).await;
    assert_eq!(status, StatusCode::OK);
    let (status, refused) = shopper.pay("pm_card_declined").await;
    assert_eq!((status, refused["title"].as_str()), (StatusCode::PAYMENT_REQUIRED, Some("The payment was declined")));
    let (status, order) = shopper.pay("pm_card_visa").await;
    assert_eq!(status, StatusCode::CREATED, "{order}");
    let sandbox = &running.topology().http_of(ProcessKind::Payments)[0];
    let url = format!("http://{sandbox}/v1/payments/{}", order["id"].as_str().unwrap());
    eventually("the capture", async || {
        let payment: Value = shopper.http.get(&url).send().await.ok()?.json().await.ok()?;
        (payment["stage"] == "captured").then_some(())
    })
    .await;
}
