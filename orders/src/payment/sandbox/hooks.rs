//! Webhooks of the sandbox: signed, at least once, in no particular order.

use std::time::Duration;

use serde_json::json;
use storefront_types::OrderId;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::{http::client, signature::sign};

/// Events that wait to be sent; more are dropped, as shops must bear.
const QUEUE: usize = 10_000;

/// Attempts for each event and receiver, and the pause before the next one, doubled each time.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Longest wait for a receiver.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(super) struct Hooks {
    queue: mpsc::Sender<(OrderId, &'static str, bool)>,
}

impl Hooks {
    pub(super) fn start(receivers: Vec<String>, secret: Vec<u8>) -> anyhow::Result<Self> {
        let (queue, events) = mpsc::channel(QUEUE);
        tokio::spawn(run(client()?, receivers, secret, events));
        Ok(Self { queue })
    }

    /// Never waits.
    pub(super) fn tell(&self, order: OrderId, kind: &'static str, twice: bool) {
        if self.queue.try_send((order, kind, twice)).is_err() {
            tracing::warn!(%order, kind, "too many webhooks wait; this one is dropped");
        }
    }
}

async fn run(
    http: reqwest::Client,
    receivers: Vec<String>,
    secret: Vec<u8>,
    mut events: mpsc::Receiver<(OrderId, &'static str, bool)>,
) {
    while let Some((order, kind, twice)) = events.recv().await {
        let id = format!("evt_{}", Uuid::new_v4().simple());
        let body = json!({"id": id, "type": kind, "data": {"object": {"metadata": {"order_id": order}}}}).to_string();
        for receiver in &receivers {
            for _ in 0..if twice { 2 } else { 1 } {
                deliver(&http, receiver, &secret, &body).await;
            }
        }
    }
}

async fn deliver(http: &reqwest::Client, receiver: &str, secret: &[u8], body: &str) {
    let mut pause = PAUSE;
    for _ in 0..ATTEMPTS {
        let header = sign(secret, OffsetDateTime::now_utc().unix_timestamp(), body.as_bytes());
        let request = http.post(receiver).header("content-type", "application/json").header("payment-signature", header);
        match request.timeout(TIMEOUT).body(body.to_owned()).send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) => tracing::info!(status = %answer.status(), receiver, "a webhook was not taken"),
            Err(error) => tracing::info!(error = %error.without_url(), receiver, "a webhook was not delivered"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
