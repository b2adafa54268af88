//! Every way to fail, as a problem document or a refusal.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use inventory_api::{LEADER_HEADER, Outcome, OutcomeCode, Refusal, TERM_HEADER};
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};

use crate::{batcher::BatchError, consensus::View, read::RoundError};

/// Puts who leads, and in which term, into the headers of an answer.
fn with_leader(mut response: Response, view: &View) -> Response {
    let headers = response.headers_mut();
    if let Some(address) = view.leader.as_ref().and_then(|leader| HeaderValue::from_str(&leader.address).ok()) {
        headers.insert(LEADER_HEADER, address);
    }
    headers.insert(TERM_HEADER, HeaderValue::from(view.term));
    response
}

/// `421` with the leader's address, or `503` when none is known. Nothing was executed.
pub(super) fn not_leader(view: &View) -> Response {
    let problem = match &view.leader {
        Some(leader) => {
            let detail = format!("node {} at {} leads term {}; ask there with the same id", leader.id, leader.address, view.term);
            Problem::new(ProblemType::NotLeader).detail(detail)
        }
        None => Problem::new(ProblemType::NoLeader).detail("an election is on or no quorum is up; ask again with the same id"),
    };
    with_leader(ProblemResponse(problem).into_response(), view)
}

/// New reservations are not taken while the disk is nearly full. Nothing was executed.
pub(super) fn no_space(view: &View) -> Response {
    let detail = "the leader's disk is nearly full: new reservations wait, confirm and release are served";
    with_leader(ProblemResponse(Problem::new(ProblemType::NoSpace).detail(detail)).into_response(), view)
}

pub(super) fn batch_error(error: &BatchError, view: &View) -> Response {
    let problem = match error {
        BatchError::NotLeader => return not_leader(view),
        BatchError::QueueFull => Problem::new(ProblemType::QueueFull).detail("wait and send it again with the same id"),
        BatchError::OutcomeUnknown => Problem::new(ProblemType::UnknownOutcome).detail("ask again with the same id"),
    };
    with_leader(ProblemResponse(problem).into_response(), view)
}

pub(super) fn round_error(error: RoundError, view: &View) -> Response {
    let problem = match error {
        RoundError::NotLeader => return not_leader(view),
        RoundError::QueueFull => Problem::new(ProblemType::QueueFull).detail("too many reads wait"),
        RoundError::NoQuorum => Problem::new(ProblemType::NoLeader).detail("no quorum confirmed this leader in time"),
    };
    with_leader(ProblemResponse(problem).into_response(), view)
}

fn refused(outcome: OutcomeCode) -> Option<ProblemType> {
    Some(match outcome {
        OutcomeCode::Ok => return None,
        OutcomeCode::InsufficientStock => ProblemType::InsufficientStock,
        OutcomeCode::UnknownSku => ProblemType::UnknownSku,
        OutcomeCode::UnknownLocation => ProblemType::UnknownLocation,
        OutcomeCode::NotFound => ProblemType::NotFound,
        OutcomeCode::Expired | OutcomeCode::AlreadyConfirmed | OutcomeCode::AlreadyReleased => ProblemType::ReservationConflict,
        OutcomeCode::StaleCount => ProblemType::StaleCount,
        OutcomeCode::ConflictingDuplicate => ProblemType::CommandIdReused,
        OutcomeCode::IdTooOld | OutcomeCode::IdFromFuture | OutcomeCode::TooLarge | OutcomeCode::Overflow => {
            ProblemType::CommandRefused
        }
    })
}

/// What tells apart outcomes that are one type of problem, and what to do about each.
fn detail(outcome: OutcomeCode) -> Option<&'static str> {
    Some(match outcome {
        OutcomeCode::IdTooOld => {
            "the id is older than outcomes are remembered (48 h): whether it was executed is not known any more"
        }
        OutcomeCode::IdFromFuture => "the time in the id is more than an hour ahead: set the clock of the machine that made it",
        OutcomeCode::Overflow => "no location holds more than 10^15 units",
        OutcomeCode::Expired => "its time is over; reserve anew",
        OutcomeCode::AlreadyConfirmed => "it is confirmed and stays so",
        OutcomeCode::AlreadyReleased => "it was released; reserve anew",
        _ => return None,
    })
}

/// An outcome as an answer: `ok` under the given status, a refusal as a problem document with the outcome beside it.
pub(super) fn outcome(status: StatusCode, outcome: Outcome, view: &View) -> Response {
    let Some(kind) = refused(outcome.outcome) else {
        return with_leader((status, Json(outcome)).into_response(), view);
    };
    let lines = outcome.lines.iter().filter_map(|line| serde_json::to_value(line).ok()).collect();
    let mut problem = Problem::new(kind).lines(lines);
    if let Some(detail) = detail(outcome.outcome) {
        problem = problem.detail(detail);
    }
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = Refusal { problem, outcome: outcome.outcome, id: outcome.id };
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    with_leader(response, view)
}

pub(super) fn found<T: serde::Serialize>(body: T, view: &View) -> Response {
    with_leader(Json(body).into_response(), view)
}
