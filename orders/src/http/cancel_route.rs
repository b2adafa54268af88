//! Shoppers call their own orders off.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use orders_api::{CancelRequest, Order};
use storefront_service::{Context, ProblemResponse, StrictJson};
use storefront_types::Problem;

use super::{
    Shop, invalid,
    life_commands::{carry_out, reason},
    private,
};
use crate::order::{LifeCommand, Wish};

/// Calls one's own order off, as far as it was not shipped. Repeatable.
#[utoipa::path(post, path = orders_api::paths::CANCEL, request_body = CancelRequest, params(("id" = String, Path)),
    responses((status = 200, body = Order), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(shop): State<Arc<Shop>>,
    Context(context): Context,
    headers: HeaderMap,
    Path(id): Path<String>,
    StrictJson(body): StrictJson<CancelRequest>,
) -> Result<Response, ProblemResponse> {
    let session = shop.known_session(&headers).await?;
    let wish = Wish {
        order: id.parse().map_err(|_| invalid("id", "an order id is a UUID"))?,
        command: LifeCommand::Cancel,
        actor: "shopper".to_owned(),
        reason: reason(body.reason.as_deref())?,
        key: None,
        shopper: Some(session.shopper),
    };
    let done = carry_out(&shop.life, &shop.runner, &context, &wish).await?;
    Ok(private(StatusCode::OK, &done.order()))
}
