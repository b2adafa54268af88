//! Talking to the nodes: any of them for views, each of them for its own state, the leader for changes.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use inventory_api::{ClusterView, InventoryClient, paths};
use serde::{Serialize, de::DeserializeOwned};
use storefront_tls::{Connector, Failed, HttpClient, Tls, Wanted};
use storefront_types::{CallContext, Problem};
use tokio::time::timeout;
use uuid::Uuid;

/// Longest wait for one answer; a change of the membership may take 20 s, a state hash as long.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Longest wait for a connection, and for the handshake on it.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// Largest answer but a snapshot; they have some KiB.
const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Times a request follows a leader that has moved.
const MAX_HOPS: usize = 5;

/// No node answered.
#[derive(Debug, thiserror::Error)]
#[error(
    "no node answers at {0}; is the cluster up, are the --endpoints right, and has it certificates if this program has some?"
)]
pub(crate) struct Unreachable(pub(crate) String);

/// A node was reached and nothing was asked.
#[derive(Debug, thiserror::Error)]
#[error("{address} and this program do not trust each other: {reason}")]
struct Untrusted {
    address: String,
    reason: String,
}

/// The nodes that were named.
#[derive(Debug)]
pub(crate) struct Cluster {
    endpoints: Vec<String>,
    tls: Option<Tls>,
    http: HttpClient<Full<Bytes>>,
}

pub(crate) fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

async fn read<T: DeserializeOwned>(answer: Response<Incoming>) -> anyhow::Result<T> {
    let is_success = answer.status().is_success();
    let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(anyhow::Error::from_boxed)?.to_bytes();
    if is_success {
        return Ok(serde_json::from_slice(&body)?);
    }
    let problem: Problem = serde_json::from_slice(&body)?;
    anyhow::bail!("{}: {}", problem.title, problem.detail.unwrap_or_default())
}

impl Cluster {
    pub(crate) fn new(endpoints: Vec<String>, tls: Option<Tls>) -> Self {
        let http = HttpClient::new(Connector::of(tls.as_ref(), Wanted::AnyNode).within(CONNECT_LIMIT));
        Self { endpoints, tls, http }
    }

    /// The client that services use.
    pub(crate) fn client(&self) -> InventoryClient {
        InventoryClient::new(self.endpoints.clone()).with_tls(self.tls.as_ref())
    }

    /// The head of a node's answer; without a deadline.
    pub(crate) async fn send(&self, address: &str, path: &str, body: Option<Vec<u8>>) -> anyhow::Result<Response<Incoming>> {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        let request = request.header(CONTENT_TYPE, "application/json").body(body.unwrap_or_default().into())?;
        self.http.send(request).await.map_err(|failed| match failed {
            Failed::Untrusted(reason) => Untrusted { address: address.to_owned(), reason }.into(),
            _ => Unreachable(address.to_owned()).into(),
        })
    }

    /// The newest view that any node has. One that was taken out, or is cut off, has an old one and does not know it.
    pub(crate) async fn view(&self) -> anyhow::Result<ClusterView> {
        let mut newest: Option<ClusterView> = None;
        let mut refused = None;
        for endpoint in &self.endpoints {
            let view = match self.get::<ClusterView>(endpoint, paths::CLUSTER).await {
                Ok(view) => view,
                Err(error) => {
                    refused = refused.or(error.downcast::<Untrusted>().ok());
                    continue;
                }
            };
            let age = |view: &ClusterView| (view.leader.is_some(), view.term, view.applied_index);
            if newest.as_ref().is_none_or(|known| age(known) < age(&view)) {
                newest = Some(view);
            }
        }
        newest.ok_or_else(|| refused.map_or_else(|| Unreachable(self.endpoints.join(", ")).into(), anyhow::Error::from))
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, address: &str, path: &str) -> anyhow::Result<T> {
        let answered = async { read(self.send(address, path, None).await?).await };
        timeout(TIMEOUT, answered).await.map_err(|_| Unreachable(address.to_owned()))?
    }

    /// Sends a change to whoever leads.
    pub(crate) async fn post_to_leader<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let mut last = anyhow::anyhow!("no leader is known; an election is on or no quorum is up");
        for _ in 0..MAX_HOPS {
            let Some(leader) = self.view().await?.leader else {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            };
            let mut moved = true;
            let answered = async {
                let answer = self.send(&leader.address, path, Some(serde_json::to_vec(body)?)).await?;
                // Neither of them executed anything: the leader has moved, or is not sure of itself yet.
                moved = [StatusCode::MISDIRECTED_REQUEST, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status());
                read(answer).await
            };
            let answered = timeout(TIMEOUT, answered).await.unwrap_or_else(|_| Err(Unreachable(leader.address.clone()).into()));
            match answered {
                Err(error) if moved => last = error,
                answered => return answered,
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(last)
    }
}
