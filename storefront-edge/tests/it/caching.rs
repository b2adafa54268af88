//! One request for many, purges, and stale answers when the catalog fails.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio_stream::StreamExt;

use crate::scripted::{Edge, eventually};

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

struct Shop {
    edge: Edge,
    catalog: Scripted,
}

impl Shop {
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
        // A busy machine is late without being overloaded.
        let shop = Self { edge: Edge::in_front_of(&address, &["--max-lag-ms", "10000"]).await, catalog };
        // The first line of the feed makes everything stale once; it must be behind us.
        eventually(async || shop.catalog.changes.receiver_count() > 0).await;
        shop
    }

    async fn get(&self, path: &str) -> (String, String) {
        let (_, headers, body) = self.edge.get(path).await;
        (headers.get("cache-status").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default(), body)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_at_once_are_one_request_to_the_catalog() {
    let edge = Arc::new(Shop::start().await);
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
    let edge = Shop::start().await;
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
    let missing = edge.edge.http.get(format!("{}/v1/products/other", edge.edge.base)).send().await.unwrap();
    assert_eq!(missing.status(), 500, "an error was made up or kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_begins_a_session_is_never_kept() {
    let edge = Shop::start().await;
    for _ in 0..3 {
        assert!(!edge.get("/v1/products").await.0.contains("hit"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_with_conditions_leaves_the_answer_whole_for_others() {
    let edge = Shop::start().await;
    let url = format!("{}/v1/categories", edge.edge.base);
    let asked = edge.edge.http.head(&url).header("if-match", "*").send().await.unwrap();
    assert_eq!(asked.status(), 200);
    assert_eq!(edge.get("/v1/categories").await.1, "all of them");
}
