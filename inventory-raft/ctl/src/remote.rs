//! Talking to the nodes: any of them for views, each of them for its own state, the leader for changes.

use std::time::Duration;

use inventory_api::{ClusterView, InventoryClient, paths};
use reqwest::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use storefront_types::{CallContext, Problem};
use uuid::Uuid;

/// Longest wait for one answer; a change of the membership may take 20 s, a state hash as long.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Times a request follows a leader that has moved.
const MAX_HOPS: usize = 5;

/// No node answered.
#[derive(Debug, thiserror::Error)]
#[error("no node answers at {0}; is the cluster up, and are the --endpoints right?")]
pub(crate) struct Unreachable(pub(crate) String);

/// The nodes that were named.
#[derive(Debug)]
pub(crate) struct Cluster {
    endpoints: Vec<String>,
    pub(crate) http: reqwest::Client,
}

pub(crate) fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

async fn answer<T: DeserializeOwned>(sent: Result<reqwest::Response, reqwest::Error>, address: &str) -> anyhow::Result<T> {
    let answer = sent.map_err(|_| Unreachable(address.to_owned()))?;
    if answer.status().is_success() {
        return Ok(answer.json().await?);
    }
    let problem: Problem = answer.json().await?;
    anyhow::bail!("{}: {}", problem.title, problem.detail.unwrap_or_default())
}

impl Cluster {
    pub(crate) fn new(endpoints: Vec<String>) -> Self {
        let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).connect_timeout(Duration::from_secs(2)).build();
        Self { endpoints, http: http.unwrap_or_default() }
    }

    /// The client that services use.
    pub(crate) fn client(&self) -> InventoryClient {
        InventoryClient::new(self.endpoints.clone())
    }

    /// The newest view that any node has. One that was taken out, or is cut off, has an old one and does not know it.
    pub(crate) async fn view(&self) -> anyhow::Result<ClusterView> {
        let mut newest: Option<ClusterView> = None;
        for endpoint in &self.endpoints {
            let Ok(view) = self.get::<ClusterView>(endpoint, paths::CLUSTER).await else { continue };
            let age = |view: &ClusterView| (view.leader.is_some(), view.term, view.applied_index);
            if newest.as_ref().is_none_or(|known| age(known) < age(&view)) {
                newest = Some(view);
            }
        }
        Ok(newest.ok_or_else(|| Unreachable(self.endpoints.join(", ")))?)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, address: &str, path: &str) -> anyhow::Result<T> {
        answer(self.http.get(format!("http://{address}{path}")).send().await, address).await
    }

    /// Sends a change to whoever leads.
    pub(crate) async fn post_to_leader<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        let mut last = anyhow::anyhow!("no leader is known; an election is on or no quorum is up");
        for _ in 0..MAX_HOPS {
            let Some(leader) = self.view().await?.leader else {
                tokio::time::sleep(Duration::from_millis(500)).await;
                continue;
            };
            let sent = self.http.post(format!("http://{}{path}", leader.address)).json(body).send().await;
            // Neither of them executed anything: the leader has moved, or is not sure of itself yet.
            let again = [StatusCode::MISDIRECTED_REQUEST, StatusCode::SERVICE_UNAVAILABLE];
            let moved = sent.as_ref().map_or(true, |answer| again.contains(&answer.status()));
            match answer(sent, &leader.address).await {
                Err(error) if moved => last = error,
                answered => return answered,
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Err(last)
    }
}
