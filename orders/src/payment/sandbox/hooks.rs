//! Webhooks of the sandbox: signed, at least once, in no particular order.

use std::time::Duration;

use http::Method;
use serde_json::json;
use storefront_types::OrderId;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::super::{http::Client, signature::sign};

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
        let receivers = receivers.iter().map(|url| Client::to(url)).collect::<anyhow::Result<_>>()?;
        tokio::spawn(run(receivers, secret, events));
        Ok(Self { queue })
    }

    /// Never waits.
    pub(super) fn tell(&self, order: OrderId, kind: &'static str, twice: bool) {
        if self.queue.try_send((order, kind, twice)).is_err() {
            tracing::warn!(%order, kind, "too many webhooks wait; this one is dropped");
        }
    }
}

async fn run(receivers: Vec<Client>, secret: Vec<u8>, mut events: mpsc::Receiver<(OrderId, &'static str, bool)>) {
    while let Some((order, kind, twice)) = events.recv().await {
        let id = format!("evt_{}", Uuid::new_v4().simple());
        let body = json!({"id": id, "type": kind, "data": {"object": {"metadata": {"order_id": order}}}}).to_string();
        for receiver in &receivers {
            for _ in 0..if twice { 2 } else { 1 } {
                deliver(receiver, &secret, &body).await;
            }
        }
    }
}

async fn deliver(receiver: &Client, secret: &[u8], body: &str) {
    let mut pause = PAUSE;
    for _ in 0..ATTEMPTS {
        let header = sign(secret, OffsetDateTime::now_utc().unix_timestamp(), body.as_bytes());
        let request = receiver.request(Method::POST, "").header("content-type", "application/json");
        let request = request.header("payment-signature", header);
        match tokio::time::timeout(TIMEOUT, receiver.send(request, body.to_owned())).await {
            Ok(Ok((status, _))) if status.is_success() => return,
            Ok(Ok((status, _))) => tracing::info!(%status, "a webhook was not taken"),
            Ok(Err(error)) => tracing::info!(?error, "a webhook was not delivered"),
            Err(_) => tracing::info!("a webhook's receiver did not answer"),
        }
        tokio::time::sleep(pause).await;
        pause *= 2;
    }
}
