//! Operators' routes on the admin port: `/admin/v1/orders`, and which others there are.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    middleware,
    response::Response,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use orders_api::{
    AllocateCommand, OrderDetail, OrderStatus, OrderSummary, PayCommand, PlainCommand, ReturnCommand, ShipCommand, paths::admin,
};
use serde::Deserialize;
use storefront_service::{ProblemResponse, StrictJson, StrictQuery, background_context};
use storefront_types::{DEFAULT_PAGE_LIMIT, MAX_PAGE_LIMIT, OrderId, Page, Problem, ProblemType};
use utoipa::{IntoParams, OpenApi};

use super::{
    AdminToken, invalid,
    life_commands::{Plain, Said, carry_out, wish},
    operator::admitted,
    order_routes::cursor,
    private,
    till_routes::{self, payments, retry_payment},
    unavailable,
};
use crate::{
    checkout::{Runner, newest_attempt},
    order::{LifeCommand, LifeStore},
};

/// Where operators work on orders.
pub(crate) struct Desk {
    pub(crate) life: LifeStore,
    pub(crate) runner: Runner,
}

type Answer = Result<Response, ProblemResponse>;

pub(crate) fn admin_router(desk: Desk, token: AdminToken) -> Router {
    Router::new()
        .route(admin::ORDERS, get(list))
        .route(admin::ORDER, get(show))
        .route(admin::PAY, post(pay))
        .route(admin::ALLOCATE, post(allocate))
        .route(admin::SHIP, post(ship))
        .route(admin::DELIVER, post(deliver))
        .route(admin::CANCEL, post(cancel))
        .route(admin::RETURN, post(take_back))
        .route(admin::PAYMENTS, get(payments))
        .route(admin::RETRY_PAYMENT, post(retry_payment))
        .route_layer(middleware::from_fn_with_state(token, admitted))
        .route("/admin/v1/openapi.json", get(|| async { Json(admin_openapi()) }))
        .with_state(Arc::new(desk))
}

impl Desk {
    async fn done<T: Said>(&self, id: &str, headers: &HeaderMap, said: &T) -> Answer {
        let wish = wish(id, headers, said)?;
        let done = carry_out(&self.life, &self.runner, &background_context(), &wish).await?;
        Ok(private(StatusCode::OK, &done.detail()))
    }

    /// The lines as the inventory took them; none when it has forgotten them.
    async fn as_taken(&self, id: &str) -> Result<Vec<orders_api::UnitsFrom>, ProblemResponse> {
        let id: OrderId = id.parse().map_err(|_| invalid("id", "an order id is a UUID"))?;
        let found = newest_attempt(&self.runner.inventory, &background_context(), id).await.map_err(|error| {
            tracing::warn!(%error, order = %id, "nobody says where an order's units lie");
            unavailable("the inventory does not answer now; repeat the command, or name the lines")
        })?;
        let lines = found.map(|found| found.lines).unwrap_or_default();
        let parts = lines.into_iter().flat_map(|line| line.allocations.into_iter().map(move |part| (line.sku.clone(), part)));
        let from = parts.filter_map(|(sku, part)| {
            let quantity = storefront_types::Quantity::new(u32::try_from(part.quantity).ok()?).ok()?;
            Some(orders_api::UnitsFrom { sku, quantity, location: part.location })
        });
        Ok(from.collect())
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// `placed`, `paid`, `allocated`, `partly_shipped`, `shipped`, `delivered`, `cancelled`, `partly_returned` or `returned`.
    status: String,
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Orders of a status, oldest first.
#[utoipa::path(get, path = admin::ORDERS, params(ListQuery), responses((status = 200, body = Page<OrderSummary>)))]
pub(super) async fn list(State(desk): State<Arc<Desk>>, StrictQuery(query): StrictQuery<ListQuery>) -> Answer {
    let status = OrderStatus::parse(&query.status).filter(|status| *status != OrderStatus::Accepted);
    let known: Vec<_> = OrderStatus::ALL.iter().skip(1).map(|status| status.as_str()).collect();
    let status = status.ok_or_else(|| invalid("status", &format!("one of {}", known.join(", "))))?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE_LIMIT);
    if !(1..=MAX_PAGE_LIMIT).contains(&limit) {
        return Err(invalid("limit", "between 1 and 200"));
    }
    let bad = || invalid("cursor", "give back the `next_cursor` of the page before");
    let after = query.cursor.as_deref().map(|text| cursor(text).ok_or_else(bad)).transpose()?;
    let page = desk.life.list(status, after, limit).await.map_err(|error| {
        tracing::warn!(%error, "orders cannot be listed");
        unavailable("orders cannot be listed now")
    })?;
    Ok(private(StatusCode::OK, &page))
}

/// One order with its history, and what may be done with it.
#[utoipa::path(get, path = admin::ORDER, params(("id" = String, Path)), responses((status = 200, body = OrderDetail), (status = 404, body = Problem)))]
pub(super) async fn show(State(desk): State<Arc<Desk>>, Path(id): Path<String>) -> Answer {
    let id: OrderId = id.parse().map_err(|_| invalid("id", "an order id is a UUID"))?;
    let found = desk.life.read(id).await.map_err(|error| {
        tracing::warn!(%error, "an order cannot be read");
        unavailable("orders cannot be read now")
    })?;
    let found = found.ok_or_else(|| ProblemResponse::from(ProblemType::NotFound))?;
    Ok(private(StatusCode::OK, &found.detail()))
}

/// The money is there. Repeatable.
#[utoipa::path(post, path = admin::PAY, request_body = PayCommand, params(("id" = String, Path)),
    responses((status = 200, body = OrderDetail), (status = 409, body = Problem)))]
pub(super) async fn pay(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<PayCommand>,
) -> Answer {
    desk.done(&id, &headers, &body).await
}

/// It is known which warehouse gives what. Repeatable.
#[utoipa::path(post, path = admin::ALLOCATE, request_body = AllocateCommand, params(("id" = String, Path)),
    responses((status = 200, body = OrderDetail), (status = 409, body = Problem)))]
pub(super) async fn allocate(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictJson(mut body): StrictJson<AllocateCommand>,
) -> Answer {
    if body.lines.is_empty() {
        body.lines = desk.as_taken(&id).await?;
    }
    desk.done(&id, &headers, &body).await
}

/// A parcel leaves.
#[utoipa::path(post, path = admin::SHIP, request_body = ShipCommand,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, body = OrderDetail), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn ship(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<ShipCommand>,
) -> Answer {
    desk.done(&id, &headers, &body).await
}

/// A parcel arrived. Repeatable.
#[utoipa::path(post, path = admin::DELIVER, request_body = PlainCommand,
    params(("id" = String, Path), ("number" = u32, Path)),
    responses((status = 200, body = OrderDetail), (status = 404, body = Problem)))]
pub(super) async fn deliver(
    State(desk): State<Arc<Desk>>,
    Path((id, number)): Path<(String, String)>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<PlainCommand>,
) -> Answer {
    let parcel = number.parse().map_err(|_| invalid("number", "parcels are counted from 1"))?;
    desk.done(&id, &headers, &Plain(body, LifeCommand::Deliver { parcel })).await
}

/// Calls off what was not shipped of the order: units and money go back. Repeatable.
#[utoipa::path(post, path = admin::CANCEL, request_body = PlainCommand, params(("id" = String, Path)),
    responses((status = 200, body = OrderDetail), (status = 409, body = Problem)))]
pub(super) async fn cancel(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<PlainCommand>,
) -> Answer {
    desk.done(&id, &headers, &Plain(body, LifeCommand::Cancel)).await
}

/// Shipped units came back; money goes back for them, and they too where they may be sold again.
#[utoipa::path(post, path = admin::RETURN, request_body = ReturnCommand,
    params(("id" = String, Path), ("Idempotency-Key" = String, Header)),
    responses((status = 200, body = OrderDetail), (status = 409, body = Problem), (status = 422, body = Problem)))]
pub(super) async fn take_back(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<ReturnCommand>,
) -> Answer {
    desk.done(&id, &headers, &body).await
}

/// The OpenAPI 3.1 document of the admin port.
pub fn admin_openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(title = "Orders, for operators", description = "What happens to orders after they were placed."),
        paths(list, show, pay, allocate, ship, deliver, cancel, take_back, till_routes::payments, till_routes::retry_payment),
        components(schemas(Problem))
    )]
    struct Document;
    Document::openapi()
}
