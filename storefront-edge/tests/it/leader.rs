//! Checkouts and the leader: found, waited for, followed, and never sought among strangers.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::response::{IntoResponse, Response};
use http::HeaderValue;

use crate::scripted::{Asked, Edge, Scripted, catalog, cluster, eventually, plain};

const CHECKOUT: &str = "/v1/orders/checkout";
const CLUSTER: &str = "/v1/cluster";

async fn nothing(_: Asked) -> Response {
    plain(404, "")
}

/// `orders` that give a ticket, and to a checkout this answer.
async fn sell(asked: Asked, bought: Response) -> Response {
    match asked.path.as_str() {
        CHECKOUT => bought,
        path if path.contains("ticket") => axum::Json(serde_json::json!({"ticket": "t"})).into_response(),
        _ => plain(200, "{}"),
    }
}

pub(crate) async fn orders(region: &'static str) -> Scripted {
    Scripted::start(move |asked| sell(asked, plain(201, region))).await
}

/// A region's `orders`, and an inventory node that knows itself for the leader.
pub(crate) async fn shop_that_sells() -> (Scripted, Scripted) {
    let inventory = Scripted::start(nothing).await;
    led(&[&inventory], 1, &inventory.address);
    (orders("eu").await, inventory)
}

fn led(nodes: &[&Scripted], term: u64, leader: &str) {
    for node in nodes {
        let leader = leader.to_owned();
        node.answer(move |_| {
            let leader = leader.clone();
            async move { cluster(term, Some((1, &leader))) }
        });
    }
}

fn leaderless(nodes: &[&Scripted], term: u64) {
    for node in nodes {
        node.answer(move |_| async move { cluster(term, None) });
    }
}

pub(crate) struct Three {
    pub(crate) orders: [Scripted; 3],
    nodes: [Scripted; 3],
}

impl Three {
    pub(crate) async fn start() -> Self {
        let nodes = [Scripted::start(nothing).await, Scripted::start(nothing).await, Scripted::start(nothing).await];
        Self { orders: [orders("eu").await, orders("us").await, orders("ap").await], nodes }
    }

    pub(crate) async fn edge(&self, more: &[&str]) -> Edge {
        let (orders, nodes): (Vec<_>, Vec<_>) = (self.orders.iter().collect(), self.nodes.iter().collect());
        Edge::start(&catalog(nothing).await, &orders, &nodes, more).await
    }

    fn all(&self) -> Vec<&Scripted> {
        self.nodes.iter().collect()
    }

    /// All nodes know this one for the leader.
    pub(crate) fn led_by(&self, term: u64, node: usize) {
        led(&self.all(), term, &self.nodes[node].address);
    }

    pub(crate) fn leaderless(&self, term: u64) {
        leaderless(&self.all(), term);
    }

    fn bought(&self) -> usize {
        self.orders.iter().map(|orders| orders.times(CHECKOUT)).sum()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkouts_go_beside_the_leader_wherever_it_moves() {
    let three = Three::start().await;
    led(&three.all(), 3, &three.nodes[1].address);
    let edge = three.edge(&[]).await;
    eventually(async || edge.check_out("a").await.unwrap().2 == "us").await;
    led(&three.all(), 4, &three.nodes[2].address);
    eventually(async || edge.check_out("b").await.unwrap().2 == "ap").await;
    // A node that is behind does not bring the old one back.
    led(&[&three.nodes[0]], 3, &three.nodes[1].address);
    let before = three.nodes[0].times(CLUSTER) + three.nodes[1].times(CLUSTER);
    eventually(async || three.nodes[0].times(CLUSTER) + three.nodes[1].times(CLUSTER) > before + 4).await;
    assert_eq!(edge.check_out("c").await.unwrap().2, "ap");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_does_it_all_where_home_is_beside_the_leader() {
    let three = Three::start().await;
    three.led_by(1, 0);
    let edge = three.edge(&[]).await;
    eventually(async || edge.metric("edge_leader_known", "").await == 1.0).await;
    let home = &three.orders[0];
    let others = || home.times(orders_api::paths::TICKET) + home.times(orders_api::paths::SETTLE_CART);
    assert_eq!(edge.check_out("a").await.unwrap().2, "eu");
    assert_eq!((home.asked(CHECKOUT)[0].header(orders_api::TICKET_HEADER), others()), ("", 0));
    three.led_by(2, 1);
    eventually(async || edge.check_out("b").await.unwrap().2 == "us").await;
    assert_eq!(three.orders[1].asked(CHECKOUT)[0].header(orders_api::TICKET_HEADER), "t");
    assert_eq!(others(), 2, "a ticket and the settling of the cart");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_after_an_attempt_that_may_have_bought_another_cart_is_not_passed_on() {
    let three = Three::start().await;
    three.led_by(1, 0);
    let edge = three.edge(&[]).await;
    eventually(async || edge.metric("edge_leader_known", "").await == 1.0).await;
    three.orders[0].answer(|asked| sell(asked, plain(500, "")));
    for others in &three.orders[1..] {
        others.answer(|asked| sell(asked, plain(409, "another cart")));
    }
    let (status, _, said) = edge.check_out("a").await.unwrap();
    assert!(status == 504 && said.contains("unknown-outcome"), "{status} {said}");
    assert_eq!(three.orders[1].times(CHECKOUT) + three.orders[2].times(CHECKOUT), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_ticket_names_no_cart_for_sure_and_any_other_does() {
    for (copied, wanted) in [(true, 504), (false, 409)] {
        let three = Three::start().await;
        three.led_by(1, 1);
        let edge = three.edge(&[]).await;
        eventually(async || edge.metric("edge_leader_known", "").await == 1.0).await;
        for others in [&three.orders[0], &three.orders[2]] {
            others.answer(move |asked| async move {
                let is_ticket = asked.path == orders_api::paths::TICKET;
                let given = axum::Json(serde_json::json!({"ticket": "t", "copied": copied}));
                if is_ticket { given.into_response() } else { plain(409, "another cart") }
            });
        }
        // It may have bought, and nobody heard of it.
        three.orders[1].answer(|asked| sell(asked, plain(500, "")));
        let (status, _, said) = edge.check_out("a").await.unwrap();
        assert_eq!(status, wanted, "copied: {copied}, {said}");
        assert_eq!(three.orders[1].asked(CHECKOUT)[0].header(orders_api::TICKET_HEADER), "t");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_for_a_leader_is_bounded_in_number_and_time_and_says_so() {
    let three = Three::start().await;
    leaderless(&three.all(), 7);
    let edge = three.edge(&["--checkouts-waiting", "2", "--election-timeout-ms", "400"]).await;
    eventually(async || edge.metric("edge_leader_known", "").await == 0.0 && three.nodes[0].times(CLUSTER) > 1).await;
    let asking: Vec<_> = (0..6).map(|nth| edge.check_out(&format!("key-{nth}"))).collect();
    for asked in asking {
        let (status, headers, body) = asked.await.unwrap();
        assert_eq!((status, headers["retry-after"].to_str().unwrap()), (503, "1"), "{body}");
        assert!(body.contains("Idempotency-Key"), "{body}");
    }
    assert_eq!(three.bought(), 0, "a checkout was sent although there is no leader");
    assert_eq!(edge.metric("edge_checkouts_refused_total", "queue_full").await, 4.0);
    assert_eq!(edge.metric("edge_checkouts_refused_total", "no_leader").await, 2.0);
    assert_eq!(edge.get("/v1/cart").await.0, 200, "a cart needs no leader");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_goes_on_as_soon_as_there_is_a_leader() {
    let three = Three::start().await;
    leaderless(&three.all(), 7);
    let edge = three.edge(&["--election-timeout-ms", "600000"]).await;
    let asking: Vec<_> = (0..20).map(|nth| edge.check_out(&format!("key-{nth}"))).collect();
    eventually(async || edge.metric("edge_checkouts_waiting", "").await == 20.0).await;
    // One node knows: that is enough.
    led(&[&three.nodes[2]], 8, &three.nodes[1].address);
    for asked in asking {
        assert_eq!(asked.await.unwrap().2, "us");
    }
    assert_eq!(three.bought(), 20, "a checkout was sent more than once");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_stranger_is_ever_asked_whoever_names_it() {
    let three = Three::start().await;
    let reached = Arc::new(AtomicUsize::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stranger = listener.local_addr().unwrap().to_string();
    let counted = reached.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    for node in &three.nodes {
        let stranger = stranger.clone();
        node.answer(move |_| {
            let mut view = serde_json::json!({"cluster_id": "c", "node_id": 1, "state": "follower", "term": 99,
                "leader": {"id": 9, "address": stranger}, "last_log_index": 1, "applied_index": 1});
            view["members"] = serde_json::json!([{"id": 9, "address": stranger, "region": "eu", "role": "voter"}]);
            async move { axum::Json(view).into_response() }
        });
    }
    for orders in &three.orders {
        let stranger = HeaderValue::from_str(&stranger).unwrap();
        orders.answer(move |asked| {
            let stranger = stranger.clone();
            async move {
                let mut answer = sell(asked, plain(503, "not now")).await;
                answer.headers_mut().insert("inventory-leader", stranger);
                answer.headers_mut().insert("inventory-term", HeaderValue::from(100));
                answer
            }
        });
    }
    let edge = three.edge(&[]).await;
    let (status, headers, _) = edge.check_out("key").await.unwrap();
    assert_eq!((status, headers.contains_key("inventory-leader")), (503, false));
    eventually(async || three.nodes.iter().all(|node| node.times(CLUSTER) > 5)).await;
    assert_eq!(edge.metric("edge_leader_known", "").await, 0.0);
    assert_eq!(reached.load(Ordering::SeqCst), 0, "a stranger was asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_has_the_same_key_and_a_hint_is_followed_at_once() {
    let three = Three::start().await;
    led(&three.all(), 3, &three.nodes[0].address);
    let edge = three.edge(&[]).await;
    eventually(async || edge.metric("edge_leader_known", "").await == 1.0).await;
    // The nodes are behind: only the answer itself names the new leader.
    let leader = HeaderValue::from_str(&three.nodes[2].address).unwrap();
    three.orders[0].answer(move |asked| {
        let leader = leader.clone();
        async move {
            let is_purchase = asked.path == CHECKOUT;
            let mut answer = sell(asked, plain(503, "not now")).await;
            if is_purchase {
                answer.headers_mut().insert("inventory-leader", leader);
                answer.headers_mut().insert("inventory-term", HeaderValue::from(4));
            }
            answer
        }
    });
    assert_eq!(edge.check_out("the-key").await.unwrap().2, "ap");
    let asked: Vec<_> = three.orders.iter().flat_map(|orders| orders.asked(CHECKOUT)).collect();
    assert_eq!(asked.len(), 2, "it went another way");
    assert!(asked.iter().all(|asked| asked.header("idempotency-key") == "the-key" && asked.method == "POST"));
    assert!(asked.iter().all(|asked| (1..=9_000).contains(&asked.header("x-deadline-ms").parse::<u64>().unwrap())));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_sees_no_node_leaves_it_to_orders() {
    let eu = orders("eu").await;
    let edge = Edge::start(&catalog(nothing).await, &[&eu], &[], &[]).await;
    assert_eq!(edge.check_out("key").await.unwrap().2, "eu");
}
