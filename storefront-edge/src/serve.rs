//! Routes: what is public, and where it goes.

mod api_routes;
mod front;

use api_routes::BODY_TIMEOUT;
pub(crate) use api_routes::{plain, take_body};
use front::Front;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router, middleware,
    routing::{get, post},
};
use catalog_api::paths as catalog_paths;
use http::uri::Scheme;
use http_cache_policy::Profile;
use orders_api::paths;
use storefront_service::{Listeners, Readiness, beside_admin_with, install_metrics, with_request_context};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use utoipa::OpenApi;

use crate::{
    checkout::{self, WaitingRoom},
    config::Config,
    door,
    engine::{Engine, Origin, Setup},
    follow,
    leader::{self, LeaderView},
    live::{self, Live},
    operate,
    pages::{self, KeptPages},
    protect::{self, Gate, guard},
    proxy, purge,
    storefront::{CATALOG_TIMEOUT, Storefront},
    upstream::{Protection, Upstream},
};

/// Beside the cache, a quarter of its bytes is for pages as they are sent.
const PAGES_SHARE: u64 = 4;

/// Longest wait for requests after the signal to stop: for the body of one whose head is here, then a whole checkout, and 2 s for the
/// answer to be taken. Whoever starts this process waits longer before killing it.
const DRAIN_LIMIT: Duration = Duration::from_secs(BODY_TIMEOUT.as_secs() + checkout::LONGEST.as_secs() + 2);

/// Serves until `shutdown`.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    if let Some(origin) = &config.origin {
        return proxy::run(&config, origin, listeners, shutdown).await;
    }
    // Before anything is counted.
    install_metrics();
    let tls = config.inventory_tls.clone().open()?;
    let work = TaskTracker::new();
    let door = config.door(work.clone())?;
    let upstream = Upstream::new(Protection::default());
    upstream.group(&config.orders.iter().map(|instance| instance.address.clone()).collect::<Vec<_>>());
    let live = Live::new(config.stream_limits(), shutdown.clone());
    let cache = Engine::new(catalog_cache(&config), Origin::new(upstream.clone(), Scheme::HTTP, config.catalog.clone()));
    let pages_bytes = config.cache_bytes / PAGES_SHARE;
    let shop = Arc::new(Storefront {
        region: config.region.clone(),
        upstream,
        catalog: config.catalog.clone(),
        orders: config.orders.clone(),
        leader: Arc::new(LeaderView::new(config.inventory.clone())),
        work,
        waiting: WaitingRoom::new(config.protect.checkouts_waiting, config.protect.election_timeout()),
        kept_pages: KeptPages::new(pages_bytes, cache.clone(), live.clone(), config.region.clone()),
        cache,
        live: live.clone(),
    });
    let readiness = Readiness::new(&["catalog"]);
    let gate = Gate::new(&config.region, &config.protect);
    let mut background = vec![
        tokio::spawn(follow::follow(shop.clone(), readiness.clone())),
        tokio::spawn(live::follow(live.clone(), config.region.clone(), config.inventory.clone(), tls.clone())),
        tokio::spawn(live.clone().tell_streams()),
        tokio::spawn(leader::probe(shop.leader.clone(), tls)),
        tokio::spawn(shop.cache.clone().tell()),
    ];
    let purging = purge::start(&config, &shop.cache)?;
    background.extend(purging.tasks);
    let admin = purging.admin.merge(operate::router(&config, shutdown.clone())?);
    if let Some(redis) = config.protect.redis.clone() {
        background.push(tokio::spawn(protect::share(gate.rates.clone(), redis, gate.began)));
    }
    let front = Front::new(shop.clone(), router(shop, gate.clone()));
    // Called on each thread that serves, within its runtime.
    let make = move || {
        tokio::spawn(protect::measure(gate.clone()));
        front.clone()
    };
    tracing::info!(http = %listeners.http_addr()?, "listening");
    let closing = shutdown.clone();
    let server = async move {
        // Connections wait in the listener's queue meanwhile.
        live.begun().await;
        door::serve(door, listeners.http, make, closing).await
    };
    let served = beside_admin_with(admin, DRAIN_LIMIT, listeners.admin, readiness, shutdown, server).await;
    background.iter().for_each(tokio::task::JoinHandle::abort);
    served
}

/// Catalog answers are the same for everybody, whatever name the edge is called by.
fn catalog_cache(config: &Config) -> Setup {
    Setup {
        profile: Profile::STOREFRONT,
        by_authority: false,
        whole_fills: true,
        internal: &api_routes::INTERNAL,
        bytes: config.cache_bytes,
        patience: CATALOG_TIMEOUT,
    }
}

fn router(shop: Arc<Storefront>, gate: Gate) -> Router {
    let api = Router::new()
        .route(catalog_paths::PRODUCTS, get(api_routes::catalog))
        .route(catalog_paths::CATEGORIES, get(api_routes::catalog))
        .route(catalog_paths::IMAGE, get(api_routes::catalog))
        .route(paths::REGISTER, post(api_routes::orders))
        .route(paths::CART, get(api_routes::orders))
        .route(paths::CART_ADD, post(api_routes::orders))
        .route(paths::CART_UPDATE, post(api_routes::orders))
        .route(paths::CART_REMOVE, post(api_routes::orders))
        .route(paths::CHECKOUT, post(api_routes::checkout))
        .route(paths::CHECKOUT_STATE, get(api_routes::orders))
        .route(paths::ORDERS, get(api_routes::orders))
        .route(paths::ORDER, get(api_routes::orders))
        .route(paths::CANCEL, post(api_routes::orders))
        .route("/openapi.json", get(|| async { Json(openapi()) }))
        .merge(pages::router())
        .with_state(shop);
    with_request_context(api).layer(middleware::from_fn_with_state(gate, guard))
}

/// The OpenAPI 3.1 document of the public API: what the catalog and `orders` document, less what is internal.
pub fn openapi() -> serde_json::Value {
    #[derive(OpenApi)]
    #[openapi(paths(pages::stream))]
    struct Own;
    let own = Own::openapi().to_json().unwrap_or_default();
    let parts = [include_str!("../../catalog/openapi.json"), include_str!("../../orders/openapi.json"), &own];
    let mut merged = serde_json::json!({
        "openapi": "3.1.0",
        "info": {"title": "Storefront", "description": "The public API, at any edge.", "version": env!("CARGO_PKG_VERSION")},
        "paths": {}, "components": {"schemas": {}}
    });
    let internal = [catalog_paths::PRICES, catalog_paths::CHANGES];
    for part in parts {
        let Ok(part) = serde_json::from_str::<serde_json::Value>(part) else { continue };
        for (section, under) in [("/paths", &part["paths"]), ("/components/schemas", &part["components"]["schemas"])] {
            let (Some(into), Some(from)) = (merged.pointer_mut(section).and_then(|v| v.as_object_mut()), under.as_object())
            else {
                continue;
            };
            into.extend(
                from.iter()
                    .filter(|(name, _)| !internal.contains(&name.as_str()))
                    .map(|(name, value)| (name.clone(), value.clone())),
            );
        }
    }
    merged
}
