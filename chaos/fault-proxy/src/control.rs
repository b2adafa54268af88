//! `/v1`: the control port. HTTP and JSON on the loopback interface, for whoever has the token.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use http::{StatusCode, header};
use storefront_service::{ProblemResponse, StrictJson};
use storefront_types::{Problem, ProblemType};
use subtle::ConstantTimeEq;

use crate::{
    serve::{Links, Refused},
    wire::{Fault, Items, MAX_LEASE, Renewal},
};

/// Largest body: the names of 10,000 links, of under 80 bytes each.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Longest name of a fault.
const MAX_ID_BYTES: usize = 200;

type Answer = Result<Response, ProblemResponse>;

pub(crate) fn router(links: Arc<Links>, token: String) -> Router {
    let token: Arc<str> = token.into();
    Router::new()
        .route("/v1/links", get(list_links))
        .route("/v1/faults", get(list_faults).delete(heal_all))
        .route("/v1/faults/{id}", put(set).delete(heal))
        .route("/v1/faults/{id}/renew", post(renew))
        .with_state(links)
        .layer(middleware::from_fn_with_state(token, admit))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async { "ok\n" }))
}

async fn admit(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    if given.is_some_and(|given| bool::from(given.as_bytes().ct_eq(token.as_bytes()))) {
        return next.run(request).await;
    }
    let detail = "faults are for whoever has the topology's control token; `Authorization: Bearer TOKEN`";
    ProblemResponse(Problem::new(ProblemType::Forbidden).detail(detail)).into_response()
}

fn invalid(parameter: &str, reason: impl ToString) -> ProblemResponse {
    let reason = reason.to_string();
    ProblemResponse(Problem::new(ProblemType::InvalidRequest).detail(reason.clone()).invalid_param(parameter, reason))
}

fn check_lease(lease_ms: u64) -> Result<(), ProblemResponse> {
    let longest = MAX_LEASE.as_millis();
    if lease_ms > 0 && Duration::from_millis(lease_ms) <= MAX_LEASE {
        return Ok(());
    }
    Err(invalid("lease_ms", format!("1 to {longest}; renew it for a longer fault")))
}

fn unknown(id: &str) -> ProblemResponse {
    ProblemResponse(Problem::new(ProblemType::NotFound).detail(format!("there is no fault {id:?}; its lease may be over")))
}

async fn list_links(State(links): State<Arc<Links>>) -> impl IntoResponse {
    Json(Items { items: links.views() })
}

async fn list_faults(State(links): State<Arc<Links>>) -> impl IntoResponse {
    Json(Items { items: links.faults() })
}

async fn set(
    State(links): State<Arc<Links>>,
    Path(id): Path<String>,
    StrictJson(fault): StrictJson<Fault, MAX_BODY_BYTES>,
) -> Answer {
    check_lease(fault.lease_ms)?;
    fault.condition.check().map_err(|error| invalid("condition", error))?;
    if id.len() > MAX_ID_BYTES {
        return Err(invalid("id", format!("at most {MAX_ID_BYTES} bytes")));
    }
    match links.set(&id, fault) {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(error @ (Refused::UnknownLink(_) | Refused::NoLinks)) => Err(invalid("links", error)),
        Err(error @ Refused::Full(_)) => Err(Problem::new(ProblemType::TooManyRequests).detail(error.to_string()).into()),
    }
}

async fn renew(State(links): State<Arc<Links>>, Path(id): Path<String>, StrictJson(renewal): StrictJson<Renewal>) -> Answer {
    check_lease(renewal.lease_ms)?;
    if links.renew(&id, renewal.lease_ms) { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(unknown(&id)) }
}

async fn heal(State(links): State<Arc<Links>>, Path(id): Path<String>) -> Answer {
    if links.heal(&id) { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(unknown(&id)) }
}

async fn heal_all(State(links): State<Arc<Links>>) -> impl IntoResponse {
    Json(serde_json::json!({ "healed": links.heal_all() }))
}
