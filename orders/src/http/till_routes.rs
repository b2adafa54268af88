//! Operators' routes on the admin port: `/admin/v1/payments`.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::StatusCode;
use orders_api::{PaymentPhase, PaymentSummary, paths::admin};
use serde::Deserialize;
use storefront_service::{ProblemResponse, StrictQuery};
use storefront_types::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, OrderId, Page, Problem, ProblemType};
use utoipa::IntoParams;

use super::{Desk, invalid, order_routes::cursor, private, unavailable};
use crate::payment::Retried;

type Answer = Result<Response, ProblemResponse>;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PaymentsQuery {
    /// `failed`: an operator decides; `authorised`: still being tried.
    state: String,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Payments of recorded orders whose money is not taken, oldest first.
#[utoipa::path(get, path = admin::PAYMENTS, params(PaymentsQuery), responses((status = 200, body = Page<PaymentSummary>)))]
pub(super) async fn payments(State(desk): State<Arc<Desk>>, StrictQuery(query): StrictQuery<PaymentsQuery>) -> Answer {
    let phase = PaymentPhase::parse(&query.state);
    let phase = phase.filter(|phase| matches!(phase, PaymentPhase::Authorised | PaymentPhase::Failed));
    let phase = phase.ok_or_else(|| invalid("state", "one of authorised, failed"))?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE_LIMIT);
    if !(1..=MAX_PAGE_LIMIT).contains(&limit) {
        return Err(invalid("limit", "between 1 and 200"));
    }
    let bad = || invalid("cursor", "give back the `next_cursor` of the page before");
    let after = query.cursor.as_deref().map(|text| cursor(text).ok_or_else(bad)).transpose()?;
    let page = desk.runner.till.store.list(phase, after, limit).await.map_err(|error| {
        tracing::warn!(%error, "payments cannot be listed");
        unavailable("payments cannot be listed now")
    })?;
    Ok(private(StatusCode::OK, &page))
}

/// The capture is tried again, at once and as long as a new one. Repeatable.
#[utoipa::path(post, path = admin::RETRY_PAYMENT, params(("id" = String, Path, description = "The order's id")),
    responses((status = 200, body = PaymentSummary), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn retry_payment(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let id: OrderId = id.parse().map_err(|_| invalid("id", "an order id is a UUID"))?;
    let retried = desk.runner.till.store.retry(id).await.map_err(|error| {
        tracing::warn!(%error, order = %id, "a payment cannot be retried");
        unavailable("payments cannot be changed now; repeat the command")
    })?;
    match retried {
        Retried::Due(summary) => Ok(private(StatusCode::OK, &summary)),
        Retried::Settled(phase) => {
            let detail = format!("the payment is {}: there is nothing to capture", phase.as_str());
            Err(Problem::new(ProblemType::OrderConflict).detail(detail).into())
        }
        Retried::NotFound => Err(Problem::new(ProblemType::NotFound).detail("no payment of such an order is recorded").into()),
    }
}
