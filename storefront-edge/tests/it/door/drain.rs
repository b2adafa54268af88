//! An edge that stops loses no request.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::{net::TcpStream, task::JoinSet};

use super::{Edge, Origin, ask, eventually, until_closed};

/// What callers have seen.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    /// A request was sent and no answer came.
    lost: AtomicU64,
    /// Nobody listened.
    turned_away: AtomicU64,
    over: AtomicBool,
}

/// One caller: keeps a connection as long as it may, and goes to the next address when one takes no more.
async fn call(addresses: Vec<SocketAddr>, seen: Arc<Seen>) {
    let mut turn = 0;
    while !seen.over.load(Ordering::Relaxed) {
        let address = addresses[turn % addresses.len()];
        let Ok(mut stream) = TcpStream::connect(address).await else {
            seen.turned_away.fetch_add(1, Ordering::Relaxed);
            turn += 1;
            tokio::task::yield_now().await;
            continue;
        };
        while !seen.over.load(Ordering::Relaxed) {
            let Some((head, _)) = ask(&mut stream, "/v1/products/a").await else {
                seen.lost.fetch_add(1, Ordering::Relaxed);
                break;
            };
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            seen.answered.fetch_add(1, Ordering::Relaxed);
            if head.contains("connection: close") {
                break;
            }
        }
    }
}

fn callers(count: usize, addresses: &[SocketAddr]) -> (Arc<Seen>, JoinSet<()>) {
    let (seen, mut callers) = (Arc::new(Seen::default()), JoinSet::new());
    for _ in 0..count {
        callers.spawn(call(addresses.to_vec(), seen.clone()));
    }
    (seen, callers)
}

async fn goes_on(seen: &Seen) {
    let before = seen.answered.load(Ordering::Relaxed);
    eventually(async || seen.answered.load(Ordering::Relaxed) > before + 500).await;
}

async fn stop(mut edge: Edge) {
    edge.stop.cancel();
    (&mut edge.ended).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_of_two_edges_loses_no_request() {
    let origin = Origin::start().await;
    let (mut one, mut two) = (Edge::start(&origin, &[]).await, Edge::start(&origin, &[]).await);
    let (seen, callers) = callers(32, &[one.address, two.address]);
    for _ in 0..2 {
        for edge in [&mut one, &mut two] {
            goes_on(&seen).await;
            let next = Edge::start(&origin, &[]).await;
            let address = edge.address;
            stop(std::mem::replace(edge, next)).await;
            *edge = Edge::start_at(&origin, address, &[]).await;
        }
    }
    goes_on(&seen).await;
    seen.over.store(true, Ordering::Relaxed);
    callers.join_all().await;
    assert_eq!(seen.lost.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_hands_its_port_over_and_nobody_is_turned_away() {
    let origin = Origin::start().await;
    let mut edge = Edge::start(&origin, &[]).await;
    let (seen, callers) = callers(32, &[edge.address]);
    for _ in 0..3 {
        goes_on(&seen).await;
        let next = Edge::start_at(&origin, edge.address, &[]).await;
        stop(std::mem::replace(&mut edge, next)).await;
    }
    goes_on(&seen).await;
    seen.over.store(true, Ordering::Relaxed);
    callers.join_all().await;
    assert_eq!((seen.lost.load(Ordering::Relaxed), seen.turned_away.load(Ordering::Relaxed)), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_and_the_connection_then_closed() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &[]).await;
    let (mut busy, mut idle) = (edge.connect().await, edge.connect().await);
    assert!(ask(&mut idle, "/v1/products/a").await.is_some());
    tokio::io::AsyncWriteExt::write_all(&mut busy, super::get_request("/v1/orders/held").as_bytes()).await.unwrap();
    eventually(async || origin.waiting.load(Ordering::SeqCst) == 1).await;
    edge.stop.cancel();
    // Idle when the edge was told to stop: the next request is still answered, and told that it was the last.
    eventually(async || ask(&mut idle, "/v1/products/a").await.unwrap().0.contains("connection: close")).await;
    assert_eq!(until_closed(&mut idle).await, "");
    origin.held.add_permits(1);
    let said = until_closed(&mut busy).await;
    assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("connection: close") && said.ends_with("held"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_over_another_threads_connection_to_a_service_is_answered_too() {
    let origin = Origin::start().await;
    let edge = Edge::start(&origin, &[]).await;
    let mut first = edge.connect().await;
    // Opens a connection to the service, on the first one's thread.
    assert!(ask(&mut first, "/v1/orders").await.is_some());
    let mut second = edge.connect().await;
    tokio::io::AsyncWriteExt::write_all(&mut second, super::get_request("/v1/orders/held").as_bytes()).await.unwrap();
    eventually(async || origin.waiting.load(Ordering::SeqCst) == 1).await;
    edge.stop.cancel();
    drop(first);
    eventually(async || TcpStream::connect(edge.address).await.is_err()).await;
    origin.held.add_permits(1);
    assert!(until_closed(&mut second).await.starts_with("HTTP/1.1 200 "));
}
