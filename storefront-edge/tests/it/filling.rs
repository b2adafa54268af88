//! Bodies on their way into the cache take no more than their share; others are passed on and not kept.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use clap::Parser;
use futures_util::{StreamExt, stream};
use storefront_edge::Config;
use tokio::sync::Semaphore;

use crate::scripted::{Asked, Edge, Scripted, catalog, eventually};

/// Of the cache, a quarter is for bodies on their way: 256 KiB, of which each may have 64 KiB.
const CACHE_BYTES: &str = "1048576";
const HALF: usize = 25_000;
/// Of their first halves ten fit.
const FILLS: usize = 16;

/// Sends half of a body, and the rest when it is let go.
fn halves(open: Arc<Semaphore>) -> impl Fn(Asked) -> std::future::Ready<Response> + Send + Sync + 'static {
    move |_| {
        let open = open.clone();
        let first = stream::once(async { Ok::<_, Infallible>(Bytes::from(vec![b'a'; HALF])) });
        let second = stream::once(async move {
            open.acquire().await.unwrap().forget();
            Ok(Bytes::from(vec![b'b'; HALF]))
        });
        std::future::ready(([("cache-control", "s-maxage=600")], Body::from_stream(first.chain(second))).into_response())
    }
}

/// All at once, then each again: how many of them were kept.
async fn kept(edge: &Edge, origin: &Scripted, open: &Semaphore) -> usize {
    let path = |nth: usize| format!("/v1/products/{nth}");
    let not_kept = async || edge.metric("edge_fills_not_kept_total", "").await;
    let before = not_kept().await;
    let asking: Vec<_> = (0..FILLS).map(|nth| edge.asking(&path(nth))).collect();
    eventually(async || not_kept().await >= before + 6.0).await;
    open.add_permits(100);
    for asked in asking {
        let (status, body) = asked.await.unwrap();
        assert_eq!((status, body.len()), (200, 2 * HALF), "{}", &body[..body.len().min(200)]);
        assert!(body.starts_with('a') && body.ends_with('b'));
    }
    assert_eq!(origin.times("/v1/products/"), FILLS);
    let is_hit = async |nth| {
        let (status, headers, body) = edge.get(&path(nth)).await;
        assert_eq!((status, body.len()), (200, 2 * HALF));
        headers["cache-status"].to_str().unwrap().contains("hit")
    };
    let mut kept = 0;
    for nth in 0..FILLS {
        match is_hit(nth).await {
            true => kept += 1,
            // With nothing else under way there is room again.
            false => assert!(is_hit(nth).await, "the {nth}th is not kept"),
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn more_bodies_than_there_is_room_for_are_passed_on_and_not_kept() {
    let open = Arc::new(Semaphore::new(0));
    let origin = Scripted::start(halves(open.clone())).await;
    let url = format!("http://{}", origin.address);
    let edge = Edge::running(Config::parse_from(["edge", "--origin", &url, "--cache-bytes", CACHE_BYTES])).await;
    assert!((1..FILLS).contains(&kept(&edge, &origin, &open).await));
    // The same where the edge takes an answer in before it gives any of it.
    let open = Arc::new(Semaphore::new(0));
    let catalog = catalog(halves(open.clone())).await;
    let edge = Edge::start(&catalog, &[], &[], &["--cache-bytes", CACHE_BYTES]).await;
    assert!((1..FILLS).contains(&kept(&edge, &catalog, &open).await));
}
