//! An edge with a scripted catalog of one product.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Parser;
use serde_json::{Value, json};
use storefront_edge::{Config, run};
use storefront_service::Listeners;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use super::eventually;

pub(crate) const PRODUCT_ID: &str = "01910000-0000-7000-8000-000000000001";

/// A lamp in two sizes, `LAMP-S` and `LAMP-L`.
#[derive(Clone)]
pub(crate) struct Catalog {
    pub(crate) asked: Arc<AtomicU64>,
    pub(crate) is_broken: Arc<AtomicBool>,
    pub(crate) title: Arc<Mutex<String>>,
    changes: tokio::sync::broadcast::Sender<String>,
}

impl Catalog {
    fn product(&self) -> Value {
        let variant = |sku: &str, title: &str| json!({"sku": sku, "title": title, "options": [], "price": {"amount": 4200, "currency": "USD"}, "stock": null, "novel": 1});
        json!({
            "id": PRODUCT_ID, "handle": "lamp", "title": *self.title.lock().unwrap(), "description": "<p>It shines.</p>",
            "vendor": null, "category": "Home > Lamps", "tags": [], "options": [], "images": [],
            "variants": [variant("LAMP-S", "small"), variant("LAMP-L", "large")],
        })
    }

    pub(crate) fn purge(&self, sequence: u64, tag: &str) {
        let line = json!({"type": "purge", "epoch": "e", "sequence": sequence, "tags": [tag]});
        self.changes.send(format!("{line}\n")).unwrap();
    }
}

async fn product(State(catalog): State<Catalog>, Path(name): Path<String>) -> Response {
    catalog.asked.fetch_add(1, Ordering::SeqCst);
    if catalog.is_broken.load(Ordering::SeqCst) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    if name != "lamp" && name != PRODUCT_ID {
        return (StatusCode::NOT_FOUND, Json(json!({"type": "about:blank", "title": "Not found", "status": 404})))
            .into_response();
    }
    let tag = format!("product:{PRODUCT_ID}");
    let headers = [
        (header::CACHE_CONTROL, "public, max-age=5, s-maxage=60, stale-if-error=600"),
        (header::ETAG, "\"one\""),
        (HeaderName::from_static("surrogate-key"), tag.as_str()),
    ];
    (headers, Json(catalog.product())).into_response()
}

async fn products() -> Response {
    let page = json!({"items": [], "next_cursor": null, "facets": {"total": 0, "categories": [], "price": null}});
    ([(header::CACHE_CONTROL, "public, s-maxage=60")], Json(page)).into_response()
}

async fn changes(State(catalog): State<Catalog>) -> Body {
    let reset = tokio_stream::once("{\"type\":\"reset\",\"epoch\":\"e\",\"sequence\":0}\n".to_owned());
    let more = tokio_stream::wrappers::BroadcastStream::new(catalog.changes.subscribe()).filter_map(Result::ok);
    Body::from_stream(reset.chain(more).map(Ok::<_, std::convert::Infallible>))
}

/// An edge that runs until it is dropped.
pub(crate) struct Shop {
    pub(crate) base: String,
    pub(crate) admin: String,
    pub(crate) catalog: Catalog,
    pub(crate) http: reqwest::Client,
    stop: CancellationToken,
    running: Option<JoinHandle<()>>,
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Shop {
    /// An edge in `eu` that follows the given inventory, `REGION=ADDRESS,...`.
    pub(crate) async fn start(inventory: &str, more: &[&str]) -> Self {
        let catalog = Catalog {
            asked: Arc::default(),
            is_broken: Arc::default(),
            title: Arc::new(Mutex::new("Lamp".to_owned())),
            changes: tokio::sync::broadcast::Sender::new(16),
        };
        let origin = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = origin.local_addr().unwrap().to_string();
        let routes = Router::new()
            .route("/v1/products", get(products))
            .route("/v1/products/{name}", get(product))
            .route("/v1/changes", get(changes))
            .with_state(catalog.clone());
        tokio::spawn(async move { axum::serve(origin, routes).await });
        let mut line = vec!["edge", "--region", "eu", "--catalog", &address];
        if !more.contains(&"--orders") {
            line.extend(["--orders", "eu=127.0.0.1:9"]);
        }
        line.extend(["--inventory", inventory, "--inventory-plaintext"]);
        line.extend(more);
        let config = Config::parse_from(line);
        let (listeners, stop) = (Listeners::loopback().await.unwrap(), CancellationToken::new());
        let base = format!("http://{}", listeners.http_addr().unwrap());
        let admin = format!("http://{}", listeners.admin_addr().unwrap());
        let ready = format!("{admin}/readyz");
        let running = tokio::spawn({
            let stop = stop.clone();
            async move { run(config, listeners, stop).await.unwrap() }
        });
        let shop = Self { base, admin, catalog, http: reqwest::Client::new(), stop, running: Some(running) };
        eventually("the edge to be ready", async || {
            let answer = shop.http.get(&ready).send().await.ok()?;
            (answer.status() == 200 && shop.catalog.changes.receiver_count() > 0).then_some(())
        })
        .await;
        shop
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        self.http.get(format!("{}{path}", self.base)).send().await.unwrap()
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        self.get(path).await.text().await.unwrap()
    }

    /// Stock of the variant at a place of the product.
    pub(crate) async fn stock(&self, variant: usize) -> Value {
        let product: Value = self.get("/v1/products/lamp").await.json().await.unwrap();
        product["variants"][variant]["stock"].clone()
    }

    /// Waits until the small lamp's stock is so.
    pub(crate) async fn until_available(&self, units: u64) {
        eventually(&format!("{units} in stock"), async || (self.stock(0).await["available"] == units).then_some(())).await;
    }

    /// Asks the edge to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.running.take().unwrap().await.unwrap();
    }
}
