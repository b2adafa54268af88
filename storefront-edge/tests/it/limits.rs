//! Who is refused: clients that ask too often, and browsing before checkouts when there is too much to do.

use axum::response::Response;
use clap::Parser;
use storefront_edge::Config;
use storefront_types::{Problem, ProblemType};

use crate::{
    leader::shop_that_sells,
    scripted::{Asked, Edge, Scripted, catalog, eventually, plain},
};

const CART: &str = "/v1/cart";

async fn nothing(_: Asked) -> Response {
    plain(404, "")
}

async fn cart_of(edge: &Edge, forwarded: &str) -> u16 {
    let asked = edge.http.get(format!("{}{CART}", edge.base)).header("x-forwarded-for", forwarded).send().await.unwrap();
    asked.status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_too_often_is_told_when_to_come_back_and_may() {
    let orders = Scripted::start(|_| async { plain(200, "cart") }).await;
    let edge = Edge::start(&catalog(nothing).await, &[&orders], &[], &["--limit-personal", "1:3"]).await;
    for _ in 0..3 {
        assert_eq!(edge.get(CART).await.0, 200);
    }
    let (mut status, mut headers, mut body) = edge.get(CART).await;
    while status == 200 {
        // A second went by within the three.
        (status, headers, body) = edge.get(CART).await;
    }
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (429, "application/problem+json"));
    assert_eq!(serde_json::from_str::<Problem>(&body).unwrap().kind(), Some(ProblemType::TooManyRequests));
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(headers["ratelimit-policy"], "\"personal\";q=3;w=3");
    assert_eq!(headers["ratelimit"], "\"personal\";r=0;t=1");
    let asked = orders.times(CART);
    assert_eq!(edge.get("/v1/products/lamp").await.0, 404, "another class paid for it");
    eventually(async || edge.get(CART).await.0 == 200).await;
    assert_eq!(orders.times(CART), asked + 1, "a refused request was passed on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_whom_our_own_proxies_name_and_nobody_else() {
    let orders = Scripted::start(|_| async { plain(200, "cart") }).await;
    let catalog = catalog(nothing).await;
    let limit = ["--limit-personal", "1:5"];
    let behind = Edge::start(&catalog, &[&orders], &[], &[&limit[..], &["--trusted-proxies", "127.0.0.1"]].concat()).await;
    let open = Edge::start(&catalog, &[&orders], &[], &limit).await;
    let mut refused = 0;
    for nth in 0..40 {
        assert_eq!(cart_of(&behind, &format!("10.0.0.1, 203.0.113.{nth}")).await, 200, "one client paid for another");
        refused += usize::from(cart_of(&open, &format!("203.0.113.{nth}")).await == 429);
    }
    assert!(refused > 20, "an invented address was believed: {refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn edges_share_what_a_client_took_through_redis() {
    let orders = Scripted::start(|_| async { plain(200, "cart") }).await;
    let (catalog, redis) = (catalog(nothing).await, backing_servers::redis_url());
    // Named by a proxy, so that runs that meet in one Redis do not count for each other.
    let client = format!("2001:db8:{:x}:{:x}::1", std::process::id() % 65_536, uuid::Uuid::new_v4().as_u64_pair().0 % 65_536);
    let more = ["--limit-personal", "1:100", "--redis", &redis, "--trusted-proxies", "127.0.0.1"];
    let one = Edge::start(&catalog, &[&orders], &[], &more).await;
    let other = Edge::start(&catalog, &[&orders], &[], &more).await;
    eventually(async || cart_of(&one, &client).await == 429).await;
    let mut taken = 0;
    eventually(async || {
        taken += 1;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        cart_of(&other, &client).await == 429
    })
    .await;
    assert!(taken < 60, "the other edge let {taken} of 100 through by itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_seen_of_a_redis_that_is_away() {
    let orders = Scripted::start(|_| async { plain(200, "cart") }).await;
    let more = ["--redis", "redis://127.0.0.1:9", "--limit-personal", "1:50"];
    let edge = Edge::start(&catalog(nothing).await, &[&orders], &[], &more).await;
    for _ in 0..50 {
        assert_eq!(edge.get(CART).await.0, 200);
    }
    eventually(async || edge.get(CART).await.0 == 429).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_and_carts_live_while_browsing_is_shed() {
    let (orders, inventory) = shop_that_sells().await;
    let catalog = catalog(|_| std::future::pending()).await;
    let edge = Edge::start(&catalog, &[&orders], &[&inventory], &["--max-requests", "20"]).await;
    let browsing: Vec<_> = (0..40).map(|nth| edge.asking(&format!("/v1/products/{nth}"))).collect();
    eventually(async || edge.metric("edge_shed_total", "browse").await == 26.0).await;
    // Browsing has seven tenths of the places.
    eventually(async || catalog.times("/v1/products") == 14).await;
    // Each serving thread looks at itself: without that, nothing would be measured.
    eventually(async || edge.metric("edge_requests_under_way", "browse").await == 14.0).await;
    for nth in 0..5 {
        assert_eq!(edge.check_out(&format!("key-{nth}")).await.unwrap().0, 201);
        assert_eq!(edge.get(CART).await.0, 200);
    }
    let (status, headers, body) = edge.get("/v1/products/one-more").await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "1"), "{body}");
    assert!(browsing.iter().filter(|asked| !asked.is_finished()).count() >= 14, "one that was let in was given up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_catalog_that_fails_leaves_checkouts_and_stale_answers() {
    let (orders, inventory) = shop_that_sells().await;
    let catalog = catalog(|asked: Asked| async move {
        let answer = plain(200, "lamp");
        let (mut parts, body) = answer.into_parts();
        parts.headers.insert("cache-control", "s-maxage=1, stale-if-error=600".parse().unwrap());
        if asked.path.contains("lamp") { Response::from_parts(parts, body) } else { plain(500, "") }
    })
    .await;
    let edge = Edge::start(&catalog, &[&orders], &[&inventory], &[]).await;
    eventually(async || edge.get("/v1/products/lamp").await.0 == 200).await;
    catalog.say(500, "");
    let stale = async || edge.get("/v1/products/lamp").await.1["cache-status"].to_str().unwrap().contains("stale-if-error");
    eventually(stale).await;
    // Also when the breaker has opened and the catalog is not even asked.
    for nth in 0..12 {
        let (status, headers, body) = edge.get("/v1/products/lamp").await;
        assert_eq!((status, body.as_str()), (200, "lamp"), "{nth}");
        assert!(headers["cache-status"].to_str().unwrap().contains("stale-if-error"), "it does not say that it is stale");
    }
    assert!(catalog.times("/v1/products/lamp") < 12, "a catalog that fails was asked each time");
    // What is covered is asked for once a second; the breaker opens by what is not.
    eventually(async || edge.get("/v1/products/other").await.0 == 503).await;
    assert_eq!(edge.check_out("key").await.unwrap().0, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_origin_does_not_carry_is_shed_also_in_front_of_any_origin() {
    let origin = Scripted::start(|_| std::future::pending()).await;
    let url = format!("http://{}", origin.address);
    let edge = Edge::running(Config::parse_from(["edge", "--origin", &url, "--profile", "storefront"])).await;
    let asking: Vec<_> = (0..120).map(|nth| edge.asking(&format!("/some/{nth}"))).collect();
    // Seven tenths of the 128 places that an instance has at first.
    eventually(async || edge.metric("edge_upstream_shed_total", "browse").await == 31.0).await;
    eventually(async || origin.times("/some/") == 89).await;
    let (status, headers, _) = edge.get("/one-more").await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "1"));
    assert!(asking.iter().filter(|asked| !asked.is_finished()).count() >= 89);
}
