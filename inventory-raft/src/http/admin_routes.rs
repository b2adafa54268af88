//! What an operator asks of one node.

use std::sync::Arc;

use axum::{Json, extract::State, response::IntoResponse};
use serde::{Deserialize, Serialize};
use storefront_service::{ProblemResponse, StrictJson};
use storefront_types::{Problem, ProblemType};

use super::Api;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferRequest {
    to: u64,
}

#[derive(Debug, Serialize)]
struct StateHash {
    node_id: u64,
    applied_index: u64,
    /// BLAKE3 over all records; equal on every node at the same index.
    hash: String,
}

#[derive(Debug, Serialize)]
struct Accepted {
    accepted: bool,
}

fn failed(error: String) -> ProblemResponse {
    tracing::warn!(error, "an operator's request failed");
    Problem::new(ProblemType::Unavailable).detail("this node cannot do that now").into()
}

/// Writes a snapshot in the background.
pub(super) async fn snapshot(State(api): State<Arc<Api>>) -> Result<impl IntoResponse, ProblemResponse> {
    api.consensus.trigger_snapshot().await.map_err(failed)?;
    Ok(Json(Accepted { accepted: true }))
}

/// Hands leadership to another voter, once it has all of the log.
pub(super) async fn transfer_leader(
    State(api): State<Arc<Api>>,
    StrictJson(body): StrictJson<TransferRequest>,
) -> Result<impl IntoResponse, ProblemResponse> {
    api.consensus.transfer_leader(body.to).await.map_err(failed)?;
    Ok(Json(Accepted { accepted: true }))
}

pub(super) async fn state_hash(State(api): State<Arc<Api>>) -> impl IntoResponse {
    let applied = api.consensus.shared.read();
    let (applied_index, hash) = (applied.index(), applied.inventory.state_hash());
    Json(StateHash { node_id: api.consensus.node_id, applied_index, hash })
}
