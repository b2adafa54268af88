//! Failing, slow and dead instances behind an edge.

use std::sync::Arc;

use axum::response::Response;
use tokio::sync::Semaphore;

use crate::scripted::{Asked, Edge, Scripted, catalog, eventually, plain};

const CART: &str = "/v1/cart";

async fn nothing(_: Asked) -> Response {
    plain(404, "")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_breaker_opens_and_one_probe_closes_it_again() {
    let orders = Scripted::start(|_| async { plain(500, "broken") }).await;
    let edge = Edge::start(&catalog(nothing).await, &[&orders], &[], &[]).await;
    for _ in 0..5 {
        assert_eq!(edge.get(CART).await.0, 500);
    }
    let held = Arc::new(Semaphore::new(0));
    let probe = held.clone();
    orders.answer(move |_| {
        let probe = probe.clone();
        async move {
            let _ = probe.acquire().await;
            plain(200, "well again")
        }
    });
    let (status, headers, _) = edge.get(CART).await;
    assert_eq!((status, headers["retry-after"].to_str().unwrap(), orders.times(CART)), (503, "1", 5));
    let mut asking = Vec::new();
    eventually(async || {
        asking.push(edge.asking(CART));
        orders.times(CART) == 6
    })
    .await;
    // The probe is held: nobody else gets through beside it.
    for _ in 0..20 {
        assert_eq!(edge.get(CART).await.0, 503);
    }
    assert_eq!(orders.times(CART), 6);
    held.add_permits(1_000);
    eventually(async || edge.get(CART).await.0 == 200).await;
    let mut well = 0;
    for asked in asking {
        well += usize::from(asked.await.unwrap() == (200, "well again".to_owned()));
    }
    assert_eq!(well, 1, "the probe's caller got the probe's answer");
    assert_eq!(edge.metric("edge_upstream_state", &orders.address).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_fails_beside_its_siblings_gets_no_traffic_for_a_while() {
    let (us, ap) = (Scripted::start(|_| async { plain(200, "us") }).await, Scripted::start(|_| async { plain(200, "ap") }).await);
    // Every third request works, so that no breaker opens.
    let nth = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let eu = Scripted::start(move |_| {
        let nth = nth.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async move { if nth % 3 == 2 { plain(200, "eu") } else { plain(500, "eu") } }
    })
    .await;
    let edge = Edge::start(&catalog(nothing).await, &[&eu, &us, &ap], &[], &[]).await;
    eventually(async || {
        let (status, ..) = edge.get(CART).await;
        assert_eq!(status, 200, "a read that failed was not repeated at a sibling");
        edge.metric("edge_upstream_ejected_total", &eu.address).await > 0.0
    })
    .await;
    let before = eu.times(CART);
    for _ in 0..20 {
        assert_eq!(edge.get(CART).await.2, "us");
    }
    assert_eq!(eu.times(CART), before, "an ejected instance was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_fail_the_budget_bounds_what_is_sent_again() {
    let away = || Scripted::start(|_| async { plain(503, "away") });
    let (eu, us, ap) = (away().await, away().await, away().await);
    let edge = Edge::start(&catalog(nothing).await, &[&eu, &us, &ap], &[], &[]).await;
    for _ in 0..200 {
        assert_eq!(edge.get(CART).await.0, 503);
    }
    let sent = eu.times(CART) + us.times(CART) + ap.times(CART);
    // A fifth of 200, twenty at once, and twenty more for each further ten seconds of a slow machine. Without a budget it would be 600.
    assert!((201..=300).contains(&sent), "{sent} for 200");
    assert!(edge.metric("edge_repeats_refused_total", "").await > 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_takes_too_long_is_asked_of_another_as_well_and_a_change_is_not() {
    let (eu, us) = (Scripted::start(|_| async { plain(200, "eu") }).await, Scripted::start(|_| async { plain(200, "us") }).await);
    let edge = Edge::start(&catalog(nothing).await, &[&eu, &us], &[], &[]).await;
    for _ in 0..40 {
        edge.get(CART).await;
    }
    eu.answer(|_| std::future::pending());
    // The first instance never answers: that there is an answer at all, and no failure counted, is the hedge's doing.
    assert_eq!(edge.get(CART).await.2, "us");
    assert!(edge.metric("edge_hedges_total", "second").await >= 1.0);
    assert_eq!(edge.metric("edge_upstream_requests_total", &format!("{}\",outcome=\"no_answer", eu.address)).await, 0.0);
    let change = edge.http.post(format!("{}/v1/cart/add", edge.base)).body("{}").send().await.unwrap();
    let sent = eu.times("/v1/cart/add") + us.times("/v1/cart/add");
    assert_eq!((change.status().as_u16(), sent), (504, 1), "a change was sent twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_reached_is_asked_elsewhere_and_the_deadline_goes_along() {
    let us = Scripted::start(|_| async { plain(200, "us") }).await;
    let nobody = {
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap().to_string()
    };
    let orders = format!("eu={nobody},us={}", us.address);
    let catalog = catalog(nothing).await;
    let edge = Edge::start(&catalog, &[], &[], &["--orders", &orders]).await;
    // A shopper has no say in it.
    let added = edge.http.post(format!("{}/v1/cart/add", edge.base)).header("x-deadline-ms", "0").body("{}").send().await;
    assert_eq!(added.unwrap().text().await.unwrap(), "us");
    let left: u64 = us.asked("/v1/cart/add")[0].header("x-deadline-ms").parse().unwrap();
    assert!((1_000..=4_000).contains(&left), "a stranger set it: {left}");
    assert_eq!(edge.get(CART).await.2, "us");
    let left: u64 = us.asked(CART).last().unwrap().header("x-deadline-ms").parse().unwrap();
    assert!((1..=4_000).contains(&left), "{left}");
}
