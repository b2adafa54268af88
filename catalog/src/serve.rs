//! `catalog serve`.

use std::sync::{Arc, RwLock};

use inventory_api::InventoryClient;
use storefront_service::{Listeners, Readiness, routed, with_request_context};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;

use crate::{
    config::ServeArgs,
    database,
    feed::Feed,
    follow,
    product::{self, Catalog},
};

/// Serves products until `shutdown`.
pub async fn serve(args: ServeArgs, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    let catalog = Catalog {
        model: Arc::default(),
        feed: Arc::new(Feed::new()),
        agreed: Arc::new(RwLock::new(OffsetDateTime::UNIX_EPOCH)),
        stopping: shutdown.clone(),
    };
    // Without nodes there is no stock to follow, and no certificate is needed.
    let inventory = match args.inventory {
        none if none.is_empty() => None,
        nodes => Some(InventoryClient::new(nodes).with_tls(args.inventory_tls.open()?.as_ref())),
    };
    let pool = database::pool(&args.database_url)?;
    let readiness = Readiness::new(&["products"]);
    let products = tokio::spawn(follow::follow_products(catalog.clone(), pool, readiness.clone()));
    let stock = inventory.map(|inventory| tokio::spawn(follow::follow_stock(catalog.clone(), inventory)));
    let app = with_request_context(product::router(catalog));
    let served = storefront_service::serve(listeners, routed(app), readiness, shutdown).await;
    products.abort();
    stock.iter().for_each(tokio::task::JoinHandle::abort);
    served
}

/// The OpenAPI 3.1 document of the catalog.
pub fn openapi() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(
        info(title = "Catalog", description = "Products, served from memory."),
        paths(product::products, product::product, product::categories, product::prices, product::changes)
    )]
    struct Document;
    Document::openapi()
}
