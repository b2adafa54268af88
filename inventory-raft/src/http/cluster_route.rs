//! What this node knows of the cluster, at once or as soon as it is something else than the caller knows.

use std::{sync::Arc, time::Duration};

use axum::{extract::State, response::Response};
use inventory_api::ClusterView;
use serde::Deserialize;
use storefront_service::{ProblemResponse, StrictQuery};
use utoipa::IntoParams;

use super::{Api, error};

/// Longest wait; whoever wants to go on waiting asks again.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterQuery {
    /// Term and leader (0: none) that the caller knows. Where they are still so, the answer waits for a change.
    known_term: Option<u64>,
    known_leader: Option<u64>,
    /// How long it waits; at most 5,000, and 0 where left out.
    wait_ms: Option<u64>,
}

/// This node's view of the cluster.
#[utoipa::path(get, path = inventory_api::paths::CLUSTER, params(ClusterQuery), responses((status = 200, body = ClusterView)))]
pub(super) async fn cluster(
    State(api): State<Arc<Api>>,
    StrictQuery(query): StrictQuery<ClusterQuery>,
) -> Result<Response, ProblemResponse> {
    if let Some(known) = query.known_term.zip(query.known_leader) {
        let wait = Duration::from_millis(query.wait_ms.unwrap_or(0)).min(LONGEST_WAIT);
        tokio::select! {
            () = api.stopping.cancelled() => {}
            () = api.consensus.view_differs(known, wait) => {}
        }
    }
    let (view, progress) = (api.consensus.view(), api.consensus.log_progress());
    let body = ClusterView {
        cluster_id: api.consensus.cluster_id.to_string(),
        node_id: api.consensus.node_id,
        state: view.state,
        term: view.term,
        leader: view.leader.clone(),
        members: view.members.clone(),
        last_log_index: progress.last_log,
        applied_index: progress.applied,
    };
    Ok(error::found(body, &view))
}
