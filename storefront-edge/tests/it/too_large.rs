//! Answers that turn out to be too large to be kept while they are passed on.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    response::{IntoResponse, Response},
};
use clap::Parser;
use storefront_edge::Config;
use tokio::sync::Barrier;

use crate::scripted::{Edge, Scripted};

/// At once.
const MANY: usize = 8;

const PIECE: usize = 16 * 1024;
const PIECES: usize = 8;

/// 128 KiB of which the head says nothing but that they may be kept.
fn large() -> Response {
    let pieces =
        futures_util::stream::iter((0..PIECES).map(|_| Ok::<_, std::convert::Infallible>(Bytes::from_static(&[b'x'; PIECE]))));
    ([("cache-control", "max-age=600")], Body::from_stream(pieces)).into_response()
}

/// The most that is kept in one is 64 KiB.
async fn edge(origin: &Scripted) -> Arc<Edge> {
    let url = format!("http://{}", origin.address);
    Arc::new(Edge::running(Config::parse_from(["edge", "--origin", &url, "--cache-bytes", "1048576"])).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_what_was_too_large_the_last_time() {
    let origin = Scripted::start(|_| async { large() }).await;
    let edge = edge(&origin).await;
    let (status, _, body) = edge.get("/big").await;
    assert_eq!((status, body.len()), (200, PIECE * PIECES));
    // No answer begins before all requests are there, so one that waits for another one waits for ever.
    let all = Arc::new(Barrier::new(MANY));
    origin.answer(move |_| {
        let all = all.clone();
        async move {
            all.wait().await;
            large()
        }
    });
    let asking: Vec<_> = (0..MANY).map(|_| edge.asking("/big")).collect();
    let answered = tokio::time::timeout(Duration::from_secs(20), futures_util::future::join_all(asking)).await;
    let answered = answered.expect("requests were sent to the origin one after another");
    assert!(answered.into_iter().all(|asked| asked.unwrap() == (200, "x".repeat(PIECE * PIECES))));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_become_small_is_kept_again() {
    let origin = Scripted::start(|_| async { large() }).await;
    let edge = edge(&origin).await;
    edge.get("/big").await;
    origin.answer(|_| async { ([("cache-control", "max-age=600")], "small").into_response() });
    assert_eq!(edge.get("/big").await.2, "small");
    let (_, headers, body) = edge.get("/big").await;
    assert!(headers["cache-status"].to_str().unwrap().contains("hit") && body == "small");
}
