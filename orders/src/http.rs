//! The routes.

mod account_routes;
mod cancel_route;
mod cart_routes;
mod cart_stock;
mod checkout_routes;
mod life_commands;
mod life_routes;
mod operator;
mod order_routes;
mod payment_routes;
mod session;
mod till_routes;

use std::sync::Arc;

use axum::{
    Json, Router,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::{HeaderValue, header};
use orders_api::paths;
use serde::Serialize;
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};
use utoipa::OpenApi;

use crate::{
    account::Accounts,
    cart::Carts,
    checkout::{Runner, TicketKey},
    order::LifeStore,
    payment::{Rest, Webhooks},
};

pub use life_routes::admin_openapi;
pub(crate) use life_routes::{Desk, admin_router};
pub(crate) use operator::AdminToken;

pub(crate) struct Shop {
    pub(crate) accounts: Accounts,
    pub(crate) carts: Carts,
    pub(crate) runner: Runner,
    pub(crate) key: TicketKey,
    pub(crate) rest: Rest,
    pub(crate) webhooks: Webhooks,
    pub(crate) life: LifeStore,
}

pub(crate) fn router(shop: Shop) -> Router {
    Router::new()
        .route(paths::REGISTER, post(account_routes::register))
        .route(paths::CART, get(cart_routes::show))
        .route(paths::CART_ADD, post(cart_routes::add))
        .route(paths::CART_UPDATE, post(cart_routes::update))
        .route(paths::CART_REMOVE, post(cart_routes::remove))
        .route(paths::CHECKOUT, post(checkout_routes::checkout))
        .route(paths::CHECKOUT_STATE, get(order_routes::checkout_state))
        .route(paths::ORDERS, get(order_routes::history))
        .route(paths::ORDER, get(order_routes::one))
        .route(paths::PAYMENT_WEBHOOKS, post(payment_routes::webhook))
        .route(paths::CANCEL, post(cancel_route::cancel))
        .route(paths::TICKET, post(checkout_routes::ticket))
        .route(paths::SETTLE_CART, post(checkout_routes::settle))
        .route("/openapi.json", get(|| async { Json(openapi()) }))
        .with_state(Arc::new(shop))
}

/// An answer that belongs to one shopper: no cache may keep it.
fn private(status: http::StatusCode, body: &impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

fn unavailable(detail: &str) -> ProblemResponse {
    Problem::new(ProblemType::Unavailable).detail(detail).into()
}

fn invalid(name: &str, reason: &str) -> ProblemResponse {
    Problem::new(ProblemType::InvalidRequest).detail(format!("{name}: {reason}")).invalid_param(name, reason).into()
}

/// The OpenAPI 3.1 document of `orders`.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(title = "Orders", description = "Accounts, carts, checkout and order history."),
        paths(
            account_routes::register,
            cart_routes::show,
            cart_routes::add,
            cart_routes::update,
            cart_routes::remove,
            checkout_routes::checkout,
            order_routes::checkout_state,
            order_routes::history,
            order_routes::one,
            payment_routes::webhook,
            cancel_route::cancel,
        ),
        components(schemas(Problem))
    )]
    struct Document;
    Document::openapi()
}
