//! Tests of the feed against scripted nodes.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::live::StreamLimits;

/// A node that is well, or answers everything with `503`.
#[derive(Default)]
struct Scripted {
    is_away: AtomicBool,
    refused: AtomicUsize,
    /// Streams that went on after a token: it is followed, and not only looked at.
    followed: AtomicUsize,
}

async fn answer(State(node): State<Arc<Scripted>>, request: Request) -> Response {
    if node.is_away.load(Ordering::SeqCst) {
        node.refused.fetch_add(1, Ordering::SeqCst);
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    match request.uri().path() {
        "/v1/cluster" => Json(json!({
            "cluster_id": "c", "node_id": 1, "state": "follower", "term": 1, "leader": null, "members": [],
            "last_log_index": 1, "applied_index": 1,
        }))
        .into_response(),
        "/v1/stock" => Json(json!({"items": [], "next_cursor": null, "changes_token": "5"})).into_response(),
        _ => {
            node.followed.fetch_add(usize::from(request.uri().query().is_some()), Ordering::SeqCst);
            let beats = futures_util::stream::unfold(tokio::time::interval(Duration::from_millis(20)), async |mut tick| {
                tick.tick().await;
                let as_of = OffsetDateTime::now_utc();
                let beat = serde_json::to_string(&StockChange::Heartbeat { token: "5".to_owned(), as_of: Some(as_of) }).unwrap();
                Some((Ok::<_, std::convert::Infallible>(format!("{beat}\n")), tick))
            });
            Body::from_stream(beats).into_response()
        }
    }
}

async fn start(is_away: bool) -> (Arc<Scripted>, String) {
    let node = Arc::new(Scripted { is_away: AtomicBool::new(is_away), ..Scripted::default() });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let routes = Router::new().fallback(answer).with_state(node.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (node, address)
}

async fn eventually(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "not in time");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_far_node_is_left_only_for_a_near_one_that_is_well() {
    let ((near, near_at), (far, far_at)) = (start(true).await, start(false).await);
    let inventory = [format!("us={far_at}"), format!("eu={near_at}")].map(|at| at.parse::<RegionAddress>().unwrap());
    let limits = StreamLimits { most: 1, per_client: 1, stall: Duration::from_secs(30) };
    let live = Live::new(limits, CancellationToken::new());
    let nodes = nodes(&"eu".parse().unwrap(), &inventory, None);
    let following = tokio::spawn(follow_looking(live.clone(), nodes, Duration::from_millis(20)));
    eventually(|| far.followed.load(Ordering::SeqCst) == 1).await;
    let refused = near.refused.load(Ordering::SeqCst);
    eventually(|| near.refused.load(Ordering::SeqCst) >= refused + 5).await;
    assert_eq!(far.followed.load(Ordering::SeqCst), 1, "the node that was well was left for one that is not");
    assert!(live.is_current(Instant::now()));
    near.is_away.store(false, Ordering::SeqCst);
    eventually(|| near.followed.load(Ordering::SeqCst) == 1).await;
    assert_eq!(far.followed.load(Ordering::SeqCst), 1);
    following.abort();
}

#[test]
fn a_group_is_complete_when_the_next_begins() {
    let at = |s| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(s);
    let mut group = Group::default();
    let told: Vec<_> = [5, 5, 5, 7, 7, 8].into_iter().map(|s| group.line(at(s))).collect();
    assert_eq!(told, [None, None, None, Some(at(5)), None, Some(at(7))]);
    assert!(is_before("9", "10") && !is_before("10", "9") && !is_before("x", "9"));
}

#[test]
fn what_was_heard_of_one_cluster_means_nothing_in_another() {
    let mut known = Known::default();
    known.meet("one");
    known.heard("90".to_owned());
    known.meet("one");
    assert_eq!(known.token.as_deref(), Some("90"), "a node of the same cluster goes on where the other broke off");
    known.meet("other");
    assert!(known.token.is_none() && known.newest.is_none());
}
