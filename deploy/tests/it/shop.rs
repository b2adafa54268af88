//! The public API as a program uses it.

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use storefront_types::{Problem, ProblemType};
use uuid::Uuid;

use super::running::{Running, eventually};

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) http: Client,
    pub(crate) edges: Vec<String>,
}

impl Api {
    pub(crate) fn new(running: &Running) -> Self {
        Self { http: Client::new(), edges: running.edges() }
    }

    pub(crate) fn url(&self, edge: usize, path: &str) -> String {
        format!("http://{}{path}", self.edges[edge])
    }

    pub(crate) fn post(&self, edge: usize, path: &str, token: &str, body: &Value) -> RequestBuilder {
        self.http.post(self.url(edge, path)).bearer_auth(token).json(body)
    }

    pub(crate) async fn get(&self, edge: usize, path: &str, token: &str) -> Response {
        self.http.get(self.url(edge, path)).bearer_auth(token).send().await.unwrap()
    }

    pub(crate) async fn register(&self) -> String {
        let email = format!("{}@example.org", Uuid::new_v4().simple());
        let answer = self.sign_in(0, &email, "").await;
        assert_eq!(answer.status(), StatusCode::CREATED);
        session(answer).await
    }

    /// Registers an address, or signs in with it.
    pub(crate) async fn sign_in(&self, edge: usize, email: &str, token: &str) -> Response {
        let body = json!({"email": email, "phone_number": "+4930123456"});
        self.post(edge, "/v1/users/register", token, &body).send().await.unwrap()
    }

    pub(crate) async fn add(&self, token: &str, sku: &str, quantity: u32) {
        self.add_at(0, token, sku, quantity).await;
    }

    /// Gives the session that this began, if it did.
    pub(crate) async fn add_at(&self, edge: usize, token: &str, sku: &str, quantity: u32) -> Option<String> {
        let answer = self.post(edge, "/v1/cart/add", token, &json!({"sku": sku, "quantity": quantity})).send().await.unwrap();
        let begun = answer.headers().get("session-token").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(answer.status(), StatusCode::OK, "{}", answer.text().await.unwrap());
        begun
    }

    pub(crate) async fn cart(&self, edge: usize, token: &str) -> Value {
        let answer = self.get(edge, "/v1/cart", token).await;
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// Waits until a cart has these lines, at every edge.
    pub(crate) async fn cart_is(&self, token: &str, lines: &[(&str, u32)]) {
        for edge in 0..self.edges.len() {
            self.cart_is_at(edge, token, lines).await;
        }
    }

    pub(crate) async fn cart_is_at(&self, edge: usize, token: &str, lines: &[(&str, u32)]) {
        let mut wanted: Vec<(String, u64)> = lines.iter().map(|(sku, n)| ((*sku).to_owned(), u64::from(*n))).collect();
        wanted.sort();
        eventually(&format!("{wanted:?} at edge {edge}"), async || {
            let answer = self.get(edge, "/v1/cart", token).await;
            let cart: Value = answer.json().await.ok()?;
            let line = |line: &Value| (line["sku"].as_str().unwrap().to_owned(), line["quantity"].as_u64().unwrap());
            let mut found: Vec<_> = cart["lines"].as_array()?.iter().map(line).collect();
            found.sort();
            (found == wanted).then_some(())
        })
        .await;
    }

    /// Waits until the catalog says a price, in minor units.
    pub(crate) async fn price_is(&self, handle: &str, amount: u64) {
        eventually("the new price", async || {
            let product: Value = self.get(0, &format!("/v1/products/{handle}"), "").await.json().await.ok()?;
            (product["variants"][0]["price"]["amount"] == amount).then_some(())
        })
        .await;
    }

    pub(crate) fn checkout(&self, edge: usize, token: &str, key: &str, city: &str) -> RequestBuilder {
        let body = json!({"delivery_address": address(city)});
        self.post(edge, "/v1/orders/checkout", token, &body).header("idempotency-key", key)
    }
}

pub(crate) fn address(city: &str) -> Value {
    json!({"name": "Ada", "line1": "1 Main St", "city": city, "postal_code": "10115", "country": "DE"})
}

/// The session of a registration.
pub(crate) async fn session(answer: Response) -> String {
    answer.json::<Value>().await.unwrap()["session_token"].as_str().unwrap().to_owned()
}

pub(crate) async fn problem(request: RequestBuilder) -> (ProblemType, Problem) {
    let answer = request.send().await.unwrap();
    let status = answer.status();
    let media_type = answer.headers()["content-type"].clone();
    assert_eq!(media_type, "application/problem+json", "{status}: {}", answer.text().await.unwrap());
    let problem: Problem = answer.json().await.unwrap();
    assert_eq!(problem.status, status.as_u16());
    (problem.kind().unwrap(), problem)
}

pub(crate) async fn named(request: RequestBuilder) -> String {
    let (kind, problem) = problem(request).await;
    assert_eq!(kind, ProblemType::InvalidRequest, "{problem:?}");
    problem.invalid_params[0].name.clone()
}
