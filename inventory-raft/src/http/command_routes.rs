//! Commands: parsed, put into the log by the batcher, answered with their outcome.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use inventory_api::{
    AcknowledgeRequest, AdjustRequest, BatchRequest, BatchResponse, CommandRequest, CountRequest, EmptyRequest, ExtendRequest,
    MAX_BATCH_COMMANDS, MoveRequest, Outcome, PurchaseRequest, ReceiveRequest, Refusal, ReservationCommand, ReserveRequest,
};
use storefront_service::{ProblemResponse, StrictJson};
use storefront_types::{Problem, ProblemType, ReservationId};
use uuid::Uuid;

use super::{Api, convert, error};
use crate::stock::Command;

/// Largest batch body: 1,024 commands of 1 KiB. Larger memos travel in smaller batches.
const MAX_BATCH_BODY_BYTES: usize = 1024 * 1024;

/// Largest single command: 256 lines of 200 bytes and a memo whose every byte is escaped.
pub(super) const MAX_COMMAND_BODY_BYTES: usize = 128 * 1024;

type Body<T> = StrictJson<T, MAX_COMMAND_BODY_BYTES>;
type Answer = Result<Response, ProblemResponse>;

impl Api {
    pub(super) async fn run(&self, status: StatusCode, request: CommandRequest) -> Answer {
        let (id, command) = convert::command(request)?;
        Ok(self.run_command(status, id, command).await)
    }

    async fn run_command(&self, status: StatusCode, id: Uuid, command: Command) -> Response {
        let view = self.consensus.view();
        if !self.consensus.is_leader() {
            return error::not_leader(&view);
        }
        if self.space.seen().is_short && takes_stock(&command) {
            return error::no_space(&view);
        }
        match self.batcher.submit(vec![command]).await {
            Ok(outcomes) => match outcomes.into_iter().next() {
                Some(outcome) => error::outcome(status, convert::outcome(id, outcome), &view),
                None => error::batch_error(&crate::batcher::BatchError::OutcomeUnknown, &view),
            },
            Err(failed) => error::batch_error(&failed, &self.consensus.view()),
        }
    }
}

/// Holds stock for a time, all lines or none.
#[utoipa::path(post, path = inventory_api::paths::RESERVATIONS, request_body = ReserveRequest,
    responses((status = 201, body = Outcome), (status = 409, body = Refusal)))]
pub(super) async fn reserve(State(api): State<Arc<Api>>, StrictJson(body): Body<ReserveRequest>) -> Answer {
    api.run(StatusCode::CREATED, CommandRequest::Reserve(body)).await
}

/// Reserves and confirms in one command.
#[utoipa::path(post, path = inventory_api::paths::PURCHASES, request_body = PurchaseRequest,
    responses((status = 201, body = Outcome), (status = 409, body = Refusal)))]
pub(super) async fn purchase(State(api): State<Arc<Api>>, StrictJson(body): Body<PurchaseRequest>) -> Answer {
    api.run(StatusCode::CREATED, CommandRequest::Purchase(body)).await
}

/// Turns a hold into a promise.
#[utoipa::path(post, path = inventory_api::paths::CONFIRM, params(("id" = ReservationId, Path)),
    responses((status = 200, body = Outcome), (status = 409, body = Refusal), (status = 404, body = Refusal)))]
pub(super) async fn confirm(State(api): State<Arc<Api>>, id: ReservationPath, _: OptionalEmpty) -> Answer {
    api.run(StatusCode::OK, CommandRequest::Confirm(ReservationCommand { id: id.0 })).await
}

/// Gives a hold back.
#[utoipa::path(post, path = inventory_api::paths::RELEASE, params(("id" = ReservationId, Path)),
    responses((status = 200, body = Outcome), (status = 409, body = Refusal), (status = 404, body = Refusal)))]
pub(super) async fn release(State(api): State<Arc<Api>>, id: ReservationPath, _: OptionalEmpty) -> Answer {
    api.run(StatusCode::OK, CommandRequest::Release(ReservationCommand { id: id.0 })).await
}

/// Gives a hold more time, counted from now.
#[utoipa::path(post, path = inventory_api::paths::EXTEND, params(("id" = ReservationId, Path)), request_body = ExtendRequest,
    responses((status = 200, body = Outcome), (status = 409, body = Refusal), (status = 404, body = Refusal)))]
pub(super) async fn extend(State(api): State<Arc<Api>>, id: ReservationPath, StrictJson(body): Body<ExtendRequest>) -> Answer {
    let command = Command::Extend { id: id.0, ttl_ms: convert::ttl(body.ttl_ms)? };
    Ok(api.run_command(StatusCode::OK, id.0.uuid(), command).await)
}

/// Drops the memos of confirmed reservations that are recorded elsewhere; other ids are passed over.
#[utoipa::path(post, path = inventory_api::paths::ACKNOWLEDGE, request_body = AcknowledgeRequest,
    responses((status = 200, body = Outcome)))]
pub(super) async fn acknowledge(State(api): State<Arc<Api>>, StrictJson(body): Body<AcknowledgeRequest>) -> Answer {
    if body.ids.len() > MAX_BATCH_COMMANDS {
        return Err(too_many("ids"));
    }
    Ok(api.run_command(StatusCode::OK, Uuid::nil(), Command::Acknowledge { ids: body.ids }).await)
}

/// Units arrive at a location.
#[utoipa::path(post, path = inventory_api::paths::RECEIVE, request_body = ReceiveRequest,
    responses((status = 200, body = Outcome), (status = 422, body = Refusal)))]
pub(super) async fn receive(State(api): State<Arc<Api>>, StrictJson(body): Body<ReceiveRequest>) -> Answer {
    api.run(StatusCode::OK, CommandRequest::Receive(body)).await
}

/// A count found more or less.
#[utoipa::path(post, path = inventory_api::paths::ADJUST, request_body = AdjustRequest,
    responses((status = 200, body = Outcome), (status = 409, body = Refusal), (status = 404, body = Refusal)))]
pub(super) async fn adjust(State(api): State<Arc<Api>>, StrictJson(body): Body<AdjustRequest>) -> Answer {
    api.run(StatusCode::OK, CommandRequest::Adjust(body)).await
}

/// Units go from one location to another.
#[utoipa::path(post, path = inventory_api::paths::MOVE, request_body = MoveRequest,
    responses((status = 200, body = Outcome), (status = 409, body = Refusal), (status = 404, body = Refusal)))]
pub(super) async fn move_units(State(api): State<Arc<Api>>, StrictJson(body): Body<MoveRequest>) -> Answer {
    api.run(StatusCode::OK, CommandRequest::Move(body)).await
}

/// Somebody counted what lies at a location.
#[utoipa::path(post, path = inventory_api::paths::COUNT, request_body = CountRequest,
    responses((status = 200, body = Outcome), (status = 409, body = Refusal)))]
pub(super) async fn count(State(api): State<Arc<Api>>, StrictJson(body): Body<CountRequest>) -> Answer {
    api.run(StatusCode::OK, CommandRequest::Count(body)).await
}

/// Many commands in one request; each is decided on its own, in order.
#[utoipa::path(post, path = inventory_api::paths::BATCH, request_body = BatchRequest, responses((status = 200, body = BatchResponse)))]
pub(super) async fn batch(
    State(api): State<Arc<Api>>,
    StrictJson(body): StrictJson<BatchRequest, MAX_BATCH_BODY_BYTES>,
) -> Answer {
    if body.commands.is_empty() || body.commands.len() > MAX_BATCH_COMMANDS {
        return Err(too_many("commands"));
    }
    let parsed: Result<Vec<_>, _> = body.commands.into_iter().map(convert::command).collect();
    let (ids, commands): (Vec<Uuid>, Vec<Command>) = parsed?.into_iter().unzip();
    let view = api.consensus.view();
    if !api.consensus.is_leader() {
        return Ok(error::not_leader(&view));
    }
    if api.space.seen().is_short && commands.iter().any(takes_stock) {
        return Ok(error::no_space(&view));
    }
    match api.batcher.submit(commands).await {
        Ok(outcomes) => {
            let outcomes = ids.into_iter().zip(outcomes).map(|(id, outcome)| convert::outcome(id, outcome)).collect();
            Ok(error::found(BatchResponse { outcomes }, &view))
        }
        Err(failed) => Ok(error::batch_error(&failed, &api.consensus.view())),
    }
}

/// The body did not come whole.
pub(super) fn cut_off() -> ProblemResponse {
    Problem::new(ProblemType::InvalidRequest).detail("the body ended before its end").into()
}

/// What may not grow the ledger while there is no space for it.
fn takes_stock(command: &Command) -> bool {
    matches!(command, Command::Reserve { .. } | Command::Purchase { .. })
}

fn too_many(name: &str) -> ProblemResponse {
    let reason = format!("between 1 and {MAX_BATCH_COMMANDS} are taken");
    Problem::new(ProblemType::InvalidRequest).detail(format!("{name}: {reason}")).invalid_param(name, reason).into()
}

/// The id in the path; a malformed one is a problem that names it.
pub(super) struct ReservationPath(pub(super) ReservationId);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for ReservationPath {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut http::request::Parts, state: &S) -> Result<Self, Self::Rejection> {
        let text = Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| text).unwrap_or_default();
        text.parse().map(Self).map_err(|_| {
            let reason = "a reservation id is a UUID";
            Problem::new(ProblemType::InvalidRequest).detail(format!("id: {reason}")).invalid_param("id", reason).into()
        })
    }
}

/// No body, or an empty JSON object.
pub(super) struct OptionalEmpty;

impl<S: Send + Sync> axum::extract::FromRequest<S> for OptionalEmpty {
    type Rejection = ProblemResponse;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Self::Rejection> {
        use http_body::Body as _;
        if request.body().is_end_stream()
            || request.headers().get(http::header::CONTENT_LENGTH).is_some_and(|length| length == "0")
        {
            return Ok(Self);
        }
        StrictJson::<EmptyRequest>::from_request(request, state).await.map(|_| Self)
    }
}
