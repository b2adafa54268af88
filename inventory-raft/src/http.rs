//! The client API over HTTP.
//!
//! Owns: the way between the contract's bodies and the ledger's commands, and which status an answer has. Must not: decide about stock.

mod admin_routes;
mod brief_route;
mod change_stream;
mod cluster_route;
mod command_routes;
mod convert;
mod error;
mod front;
mod ledger_route;
mod query_routes;

use std::sync::Arc;

use axum::{
    Json, Router,
    routing::{get, post},
};
use inventory_api::paths;
use storefront_service::with_request_context;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

use crate::{batcher::Batcher, consensus::Consensus, read::ReadRounds, space::Space};

/// What the routes need.
pub(crate) struct Api {
    pub(crate) consensus: Arc<Consensus>,
    pub(crate) batcher: Batcher,
    pub(crate) reads: ReadRounds,
    pub(crate) space: Arc<Space>,
    pub(crate) region: String,
    /// Ends the streams when the node stops.
    pub(crate) stopping: CancellationToken,
}

pub(crate) use front::service;

fn router(api: Arc<Api>) -> Router {
    let routes = Router::new()
        .route(paths::RESERVATIONS, post(command_routes::reserve).get(query_routes::reservations))
        .route(paths::RESERVATION_BRIEFS, get(brief_route::briefs))
        .route(paths::ACKNOWLEDGE, post(command_routes::acknowledge))
        .route(paths::RESERVATION, get(query_routes::reservation))
        .route(paths::CONFIRM, post(command_routes::confirm))
        .route(paths::RELEASE, post(command_routes::release))
        .route(paths::EXTEND, post(command_routes::extend))
        .route(paths::PURCHASES, post(command_routes::purchase))
        .route(paths::RECEIVE, post(command_routes::receive))
        .route(paths::ADJUST, post(command_routes::adjust))
        .route(paths::MOVE, post(command_routes::move_units))
        .route(paths::COUNT, post(command_routes::count))
        .route(paths::BATCH, post(command_routes::batch))
        .route(paths::STOCK_LIST, get(query_routes::stock_page))
        .route(paths::STOCK, get(query_routes::stock))
        .route(paths::LEDGER, get(ledger_route::ledger))
        .route(paths::CHANGES, get(change_stream::changes))
        .route(paths::CLUSTER, get(cluster_route::cluster))
        .merge(admin_routes::routes())
        .route("/openapi.json", get(|| async { Json(openapi()) }));
    with_request_context(routes.with_state(api))
}

/// The OpenAPI 3.1 document of the client API.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(title = "Inventory", description = "Linearizable stock reservations over a Raft cluster."),
        paths(
            command_routes::reserve,
            command_routes::purchase,
            command_routes::confirm,
            command_routes::release,
            command_routes::extend,
            command_routes::acknowledge,
            command_routes::receive,
            command_routes::adjust,
            command_routes::move_units,
            command_routes::count,
            command_routes::batch,
            query_routes::reservation,
            query_routes::reservations,
            brief_route::briefs,
            query_routes::stock,
            query_routes::stock_page,
            ledger_route::ledger,
            cluster_route::cluster,
            change_stream::changes,
        ),
        components(schemas(inventory_api::Refusal, inventory_api::StockChange))
    )]
    struct Document;
    Document::openapi()
}
