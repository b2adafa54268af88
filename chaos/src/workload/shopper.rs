//! One shopper: registers or comes as a guest, fills a cart, checks out, and asks again until the answer is known.

use std::time::Duration;

use orders_api::{Order, RegisterResponse, paths};
use serde_json::{Value, json};
use storefront_types::{Problem, ProblemType};
use uuid::Uuid;

pub use crate::check::Heard;
use crate::history::Line;

/// Longest wait for one answer; an edge gives up before.
pub(super) const TIMEOUT: Duration = Duration::from_secs(20);

/// Where a client without cookies finds its new session.
const SESSION_TOKEN: &str = "session-token";

/// An answer to a checkout.
pub(super) struct Told {
    pub(super) heard: Heard,
    pub(super) status: Option<u16>,
    /// Of the order.
    pub(super) lines: Vec<Line>,
}

/// A step that every shopper must get done.
#[derive(Debug, thiserror::Error)]
pub enum ShopperError {
    #[error("{edge} did not answer: {source}")]
    NoAnswer { edge: String, source: reqwest::Error },
    #[error("{edge}{path} answered {status}: {body}")]
    Refused { edge: String, path: &'static str, status: u16, body: String },
}

impl ShopperError {
    /// The edge does not serve: a shopper is led to another one. Any other refusal is the shop's answer.
    pub(super) fn is_away(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Refused { status: 502..=504, .. })
    }
}

#[derive(Clone, Debug)]
pub struct Shopper {
    http: reqwest::Client,
    token: String,
}

impl Shopper {
    /// Registers at an edge (`host:port`) with an address of its own.
    pub async fn register(http: reqwest::Client, edge: &str) -> Result<Self, ShopperError> {
        let mut shopper = Self { http, token: String::new() };
        let email = format!("{}@shopper.example", Uuid::new_v4().simple());
        let body = json!({"email": email, "phone_number": "+4930123456"});
        let answer = shopper.post(edge, paths::REGISTER, &body).await?;
        let registered: RegisterResponse =
            answer.json().await.map_err(|source| ShopperError::NoAnswer { edge: edge.to_owned(), source })?;
        shopper.token = registered.session_token;
        Ok(shopper)
    }

    /// A guest's session begins with what he puts into the cart first.
    pub(super) async fn guest(http: reqwest::Client, edge: &str, (sku, quantity): (&str, u32)) -> Result<Self, ShopperError> {
        let mut shopper = Self { http, token: String::new() };
        let answer = shopper.post(edge, paths::CART_ADD, &json!({"sku": sku, "quantity": quantity})).await?;
        let token = answer.headers().get(SESSION_TOKEN).and_then(|token| token.to_str().ok());
        let (path, status, body) = (paths::CART_ADD, answer.status().as_u16(), "no session began".to_owned());
        shopper.token = token.ok_or_else(|| ShopperError::Refused { edge: edge.to_owned(), path, status, body })?.to_owned();
        Ok(shopper)
    }

    /// The token of the session.
    pub fn token(&self) -> &str {
        &self.token
    }

    pub async fn add(&self, edge: &str, sku: &str, quantity: u32) -> Result<(), ShopperError> {
        self.post(edge, paths::CART_ADD, &json!({"sku": sku, "quantity": quantity})).await.map(drop)
    }

    async fn post(&self, edge: &str, path: &'static str, body: &Value) -> Result<reqwest::Response, ShopperError> {
        let mut request = self.http.post(format!("http://{edge}{path}")).json(body).timeout(TIMEOUT);
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        let answer = request.send().await.map_err(|source| ShopperError::NoAnswer { edge: edge.to_owned(), source })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let body = answer.text().await.unwrap_or_default();
        Err(ShopperError::Refused { edge: edge.to_owned(), path, status: status.as_u16(), body })
    }

    /// Checks out once under a key.
    pub async fn check_out(&self, edge: &str, key: &str) -> Heard {
        self.check_out_fully(edge, key).await.heard
    }

    /// The same, with all that was told.
    pub(super) async fn check_out_fully(&self, edge: &str, key: &str) -> Told {
        let address = json!({"name": "Ada", "line1": "1 Main St", "city": "Berlin", "postal_code": "10115", "country": "DE"});
        let request = self.http.post(format!("http://{edge}{}", paths::CHECKOUT)).bearer_auth(&self.token);
        let request = request.header("idempotency-key", key).json(&json!({"delivery_address": address})).timeout(TIMEOUT);
        let nothing = |status| Told { heard: Heard::Unknown, status, lines: Vec::new() };
        let Ok(answer) = request.send().await else { return nothing(None) };
        let status = answer.status().as_u16();
        match status {
            201 | 202 => answer.json::<Order>().await.map_or(nothing(Some(status)), |order| {
                let lines = order.lines.iter().map(|line| Line { sku: line.sku.to_string(), qty: u64::from(line.quantity) });
                Told { heard: Heard::Accepted(order.id.uuid()), status: Some(status), lines: lines.collect() }
            }),
            // Other conflicts (a price that changed) leave the key unused.
            409 => answer.json::<Problem>().await.map_or(nothing(Some(status)), |problem| match problem.kind() {
                Some(ProblemType::InsufficientStock) => Told { heard: Heard::SoldOut, ..nothing(Some(status)) },
                _ => nothing(Some(status)),
            }),
            _ => nothing(Some(status)),
        }
    }

    /// Checks out over one edge after the other, under one key, until the answer decides; at most `attempts` times.
    pub async fn check_out_until_known(&self, edges: &[String], first: usize, key: &str, attempts: usize) -> Heard {
        for attempt in 0..attempts {
            let heard = self.check_out(&edges[(first + attempt) % edges.len()], key).await;
            if heard != Heard::Unknown {
                return heard;
            }
        }
        Heard::Unknown
    }
}
