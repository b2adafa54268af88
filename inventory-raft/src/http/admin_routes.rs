//! What an operator asks of one node, and of the cluster through its leader.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::header;
use inventory_api::{
    AddLearnerRequest, Alarm, AlarmKind, Alarms, MarkResponse, MemberRequest, NodeStatus, StateHash, TransferLeaderRequest,
    paths::admin as paths,
};
use serde::{Deserialize, Serialize};
use storefront_service::{ProblemResponse, StrictJson, StrictQuery};
use storefront_types::{Problem, ProblemType};
use tokio_util::io::ReaderStream;

use super::{Api, error};
use crate::consensus::{MemberError, Peer};

type Answer = Result<Response, Response>;

#[derive(Debug, Serialize)]
struct Accepted {
    accepted: bool,
}

const ACCEPTED: Json<Accepted> = Json(Accepted { accepted: true });

pub(super) fn routes() -> Router<Arc<Api>> {
    Router::new()
        .route(paths::STATUS, get(status))
        .route(paths::ALARMS, get(alarms))
        .route(paths::MEMBERS, post(add_learner))
        .route(paths::PROMOTE, post(promote))
        .route(paths::DEMOTE, post(demote))
        .route(paths::REMOVE, post(remove))
        .route(paths::TRANSFER_LEADER, post(transfer_leader))
        .route(paths::SNAPSHOT, post(take_snapshot).get(download_snapshot))
        .route(paths::STATE_HASH, get(state_hash))
        .route(paths::MARK, post(mark))
}

fn failed(error: String) -> Response {
    tracing::warn!(error, "an operator's request failed");
    ProblemResponse(Problem::new(ProblemType::Unavailable).detail("this node cannot do that now; its log says why"))
        .into_response()
}

async fn status(State(api): State<Arc<Api>>) -> Json<NodeStatus> {
    let (consensus, seen) = (&api.consensus, api.space.seen());
    let (view, progress) = (consensus.view(), consensus.log_progress());
    Json(NodeStatus {
        node_id: consensus.node_id,
        cluster_id: consensus.cluster_id.to_string(),
        region: api.region.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        state: view.state,
        term: view.term,
        leader: view.leader.clone(),
        last_log_index: progress.last_log,
        applied_index: progress.applied,
        snapshot_index: progress.snapshot,
        purged_index: progress.purged,
        data_bytes: seen.used,
        free_bytes: seen.free,
        alarms: alarms_of(&api),
    })
}

fn alarms_of(api: &Api) -> Vec<Alarm> {
    let seen = api.space.seen();
    let detail = format!("{} bytes are free and {} used: new reservations are refused", seen.free, seen.used);
    seen.is_short.then_some(Alarm { alarm: AlarmKind::NoSpace, node_id: api.consensus.node_id, detail }).into_iter().collect()
}

async fn alarms(State(api): State<Arc<Api>>) -> Json<Alarms> {
    Json(Alarms { items: alarms_of(&api) })
}

fn changed(api: &Api, change: Result<(), MemberError>) -> Answer {
    let problem = match change {
        Ok(()) => return Ok(ACCEPTED.into_response()),
        Err(MemberError::NotLeader) => return Err(error::not_leader(&api.consensus.view())),
        Err(error @ MemberError::NotMember(_)) => Problem::new(ProblemType::NotFound).detail(error.to_string()),
        Err(error @ MemberError::Unknown(_)) => Problem::new(ProblemType::UnknownOutcome).detail(error.to_string()),
        Err(error) => Problem::new(ProblemType::MembershipConflict).detail(error.to_string()),
    };
    tracing::warn!(detail = problem.detail, "the membership was not changed");
    Err(ProblemResponse(problem).into_response())
}

async fn add_learner(State(api): State<Arc<Api>>, StrictJson(body): StrictJson<AddLearnerRequest>) -> Answer {
    let peer = Peer { client: body.client, raft: body.raft, region: body.region };
    changed(&api, api.consensus.add_learner(body.id, peer).await)
}

async fn promote(State(api): State<Arc<Api>>, StrictJson(body): StrictJson<MemberRequest>) -> Answer {
    changed(&api, api.consensus.promote(body.id).await)
}

async fn demote(State(api): State<Arc<Api>>, StrictJson(body): StrictJson<MemberRequest>) -> Answer {
    changed(&api, api.consensus.demote(body.id).await)
}

async fn remove(State(api): State<Arc<Api>>, StrictJson(body): StrictJson<MemberRequest>) -> Answer {
    changed(&api, api.consensus.remove(body.id).await)
}

/// Hands leadership to another voter, once it has all of the log.
async fn transfer_leader(State(api): State<Arc<Api>>, StrictJson(body): StrictJson<TransferLeaderRequest>) -> Answer {
    let view = api.consensus.view();
    if !api.consensus.is_leader() {
        return Err(error::not_leader(&view));
    }
    if !view.members.iter().any(|member| member.id == body.to && member.role == inventory_api::MemberRole::Voter) {
        let problem = Problem::new(ProblemType::NotFound).detail(format!("node {} is not a voter", body.to));
        return Err(ProblemResponse(problem).into_response());
    }
    api.consensus.transfer_leader(body.to).await.map_err(failed)?;
    Ok(ACCEPTED.into_response())
}

/// Writes a snapshot in the background.
async fn take_snapshot(State(api): State<Arc<Api>>) -> Answer {
    api.consensus.trigger_snapshot().await.map_err(failed)?;
    Ok(ACCEPTED.into_response())
}

/// The newest snapshot, as it lies on the disk.
async fn download_snapshot(State(api): State<Arc<Api>>) -> Answer {
    let path = api.consensus.newest_snapshot().map_err(failed)?;
    let missing = || Problem::new(ProblemType::NotFound).detail("this node has no snapshot yet; ask for one with POST");
    let path = path.ok_or_else(|| ProblemResponse(missing()).into_response())?;
    let file = tokio::fs::File::open(path).await.map_err(|error| failed(error.to_string()))?;
    let length = file.metadata().await.map_err(|error| failed(error.to_string()))?.len();
    let headers = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    Ok((headers, Body::from_stream(ReaderStream::new(file))).into_response())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HashQuery {
    /// Index that a mark gave; left out: the state as it is now.
    at_index: Option<u64>,
}

async fn state_hash(State(api): State<Arc<Api>>, StrictQuery(query): StrictQuery<HashQuery>) -> Answer {
    let node_id = api.consensus.node_id;
    if let Some(applied_index) = query.at_index {
        let hash = api.consensus.shared.marks.at(applied_index).await;
        let missing = || Problem::new(ProblemType::NotFound).detail("there is no mark at that index here; set a new one");
        let hash = hash.ok_or_else(|| ProblemResponse(missing()).into_response())?.to_string();
        return Ok(Json(StateHash { node_id, applied_index, hash }).into_response());
    }
    let (applied_index, frozen) = {
        let applied = api.consensus.shared.read();
        (applied.index(), applied.inventory.freeze())
    };
    let hash = tokio::task::spawn_blocking(move || frozen.state_hash()).await.map_err(|error| failed(error.to_string()))?;
    Ok(Json(StateHash { node_id, applied_index, hash }).into_response())
}

/// Puts a mark into the log: every node hashes its state there.
async fn mark(State(api): State<Arc<Api>>) -> Answer {
    match api.consensus.mark().await {
        Ok(index) => Ok(Json(MarkResponse { index }).into_response()),
        Err(failed) => Err(error::batch_error(&failed.into(), &api.consensus.view())),
    }
}
