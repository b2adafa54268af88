//! One request for many, purges, and stale answers when the catalog fails.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use clap::Parser;
use storefront_edge::{Config, run};
use storefront_service::Listeners;
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

/// A catalog that counts, fails and purges when it is told to.
#[derive(Clone)]
struct Scripted {
    asked: Arc<AtomicU64>,
    broken: Arc<Mutex<bool>>,
    changes: tokio::sync::broadcast::Sender<String>,
}

async fn product(State(catalog): State<Scripted>) -> Response {
    let nth = catalog.asked.fetch_add(1, Ordering::SeqCst) + 1;
    // Slow enough that many requests meet at the edge.
    tokio::time::sleep(Duration::from_millis(100)).await;
    if *catalog.broken.lock().unwrap() {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let headers = [
        (header::CACHE_CONTROL, "s-maxage=60, stale-if-error=600"),
        (header::HeaderName::from_static("surrogate-key"), "product:1"),
    ];
    (headers, format!("answer {nth}")).into_response()
}

async fn categories() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "s-maxage=60"), (header::ETAG, "\"c\"")], "all of them")
}

async fn personal() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "public, max-age=60"), (header::SET_COOKIE, "session=x")], "mine")
}

async fn changes(State(catalog): State<Scripted>) -> Body {
    let reset = tokio_stream::once("{\"type\":\"reset\",\"epoch\":\"e\",\"sequence\":0}\n".to_owned());
    let more = tokio_stream::wrappers::BroadcastStream::new(catalog.changes.subscribe()).filter_map(Result::ok);
    Body::from_stream(reset.chain(more).map(Ok::<_, std::convert::Infallible>))
}

struct Edge {
    base: String,
    catalog: Scripted,
    http: reqwest::Client,
    stop: CancellationToken,
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Edge {
    async fn start() -> Self {
        let catalog =
            Scripted { asked: Arc::default(), broken: Arc::default(), changes: tokio::sync::broadcast::Sender::new(16) };
        let origin = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = origin.local_addr().unwrap().to_string();
        let routes = Router::new()
            .route("/v1/products", get(personal))
            .route("/v1/products/{handle}", get(product))
            .route("/v1/categories", get(categories))
            .route("/v1/changes", get(changes))
            .with_state(catalog.clone());
        tokio::spawn(async move { axum::serve(origin, routes).await });
        let nobody = "eu=127.0.0.1:9";
        let config = Config::parse_from([
            "edge",
            "--region",
            "eu",
            "--catalog",
            &address,
            "--orders",
            nobody,
            "--inventory",
            nobody,
            "--inventory-plaintext",
            // A busy machine is late without being overloaded.
            "--max-lag-ms",
            "10000",
        ]);
        let (listeners, stop) = (Listeners::loopback().await.unwrap(), CancellationToken::new());
        let base = format!("http://{}", listeners.http_addr().unwrap());
        let ready = format!("http://{}/readyz", listeners.admin_addr().unwrap());
        tokio::spawn(run(config, listeners, stop.clone()));
        let edge = Self { base, catalog, http: reqwest::Client::new(), stop };
        eventually(async || edge.http.get(&ready).send().await.is_ok_and(|answer| answer.status() == 200)).await;
        // The first line of the feed makes everything stale once; it must be behind us.
        eventually(async || edge.catalog.changes.receiver_count() > 0).await;
        edge
    }

    async fn get(&self, path: &str) -> (String, String) {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
        let status = answer.headers().get("cache-status").map(|value| value.to_str().unwrap().to_owned());
        (status.unwrap_or_default(), answer.text().await.unwrap())
    }
}

async fn eventually(mut ask: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !ask().await {
        assert!(began.elapsed() < Duration::from_secs(20), "not in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_are_one_request_to_the_catalog() {
    let edge = Arc::new(Edge::start().await);
    let asking: Vec<_> = (0..200)
        .map(|_| {
            let edge = edge.clone();
            tokio::spawn(async move { edge.get("/v1/products/hot").await.1 })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), "answer 1");
    }
    assert_eq!(edge.catalog.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_is_followed_and_a_failing_catalog_is_covered() {
    let edge = Edge::start().await;
    assert_eq!(edge.get("/v1/products/lamp").await.1, "answer 1");
    assert!(edge.get("/v1/products/lamp").await.0.contains("hit"));
    edge.catalog
        .changes
        .send("{\"type\":\"purge\",\"epoch\":\"e\",\"sequence\":1,\"tags\":[\"product:1\"]}\n".to_owned())
        .unwrap();
    eventually(async || edge.get("/v1/products/lamp").await.1 == "answer 2").await;
    // A gap in the sequence: something was missed, so everything is stale; and the catalog fails.
    *edge.catalog.broken.lock().unwrap() = true;
    edge.catalog
        .changes
        .send("{\"type\":\"purge\",\"epoch\":\"e\",\"sequence\":9,\"tags\":[\"product:2\"]}\n".to_owned())
        .unwrap();
    eventually(async || edge.get("/v1/products/lamp").await.0.contains("stale-if-error")).await;
    assert_eq!(edge.get("/v1/products/lamp").await.1, "answer 2");
    let missing = edge.http.get(format!("{}/v1/products/other", edge.base)).send().await.unwrap();
    assert_eq!(missing.status(), 500, "an error was made up or kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_begins_a_session_is_never_kept() {
    let edge = Edge::start().await;
    for _ in 0..3 {
        assert!(!edge.get("/v1/products").await.0.contains("hit"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_with_conditions_leaves_the_answer_whole_for_others() {
    let edge = Edge::start().await;
    let url = format!("{}/v1/categories", edge.base);
    let asked = edge.http.head(&url).header("if-match", "*").send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert_eq!(edge.get("/v1/categories").await.1, "all of them");
}
