//! Purges reach every edge of every region, and lost ones are noticed. Real edges, a real Redis for each region.

pub(crate) mod region;

use region::{Cache, RegionRedis, TOKEN, eventually_in, origin, scratch};
use serde_json::json;

use crate::inventory::Wire;

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_by_tag_or_url_reaches_every_edge_of_every_region_and_nothing_else_goes() {
    let (folder, origin) = (scratch(), origin().await);
    let (eu, us) = (RegionRedis::start(&folder, "eu"), RegionRedis::start(&folder, "us"));
    let edges = [
        Cache::start(&folder, &origin, "eu", &[&eu, &us]).await,
        Cache::start(&folder, &origin, "eu", &[&eu, &us]).await,
        Cache::start(&folder, &origin, "us", &[&eu, &us]).await,
    ];
    for (order, gone, kept) in [
        (json!({"tags": ["tag-a"]}), "/a", "/b"),
        (json!({"urls": ["http://shop.example/b"]}), "/b", "/a"),
        (json!({"everything": true}), "/a", ""),
        (json!({"tags": ["tag-b", "tag-c"], "soft": true}), "/b", "/a"),
    ] {
        for edge in &edges {
            for path in ["/a", "/b"] {
                edge.warm(path).await;
            }
        }
        let mut old = Vec::new();
        for edge in &edges {
            old.push(edge.get(gone).await.body);
        }
        let (status, told) = edges[0].purge(&order).await;
        assert_eq!((status, &told), (200, &json!({"scope": "regions", "taken": ["eu", "us"], "waiting": []})), "{order}");
        for (nth, edge) in edges.iter().enumerate() {
            eventually_in(&format!("{order} at edge {nth}"), 5, async || !old.contains(&edge.get(gone).await.body)).await;
            if !kept.is_empty() {
                assert!(edge.get(kept).await.is_hit(), "{order} took {kept} away at edge {nth}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_softly_stands_in_for_an_origin_that_fails_and_what_was_purged_hard_does_not() {
    let (folder, origin) = (scratch(), origin().await);
    let eu = RegionRedis::start(&folder, "eu");
    let one = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    let other = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    for path in ["/a", "/b"] {
        other.warm(path).await;
    }
    origin.say(500, "");
    assert_eq!(one.purge(&json!({"tags": ["tag-a"], "soft": true})).await.0, 200);
    assert_eq!(one.purge(&json!({"tags": ["tag-b"]})).await.0, 200);
    eventually_in("the soft purge", 5, async || other.get("/a").await.status.contains("stale-if-error")).await;
    eventually_in("the hard purge", 5, async || other.get("/b").await.code == 500).await;
    assert_eq!(other.get("/a").await.code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_missed_purges_makes_everything_stale() {
    let (folder, origin) = (scratch(), origin().await);
    let eu = RegionRedis::start(&folder, "eu");
    let edge = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    edge.warm("/a").await;
    // A number is skipped, as if the edge had been away for longer than the stream reaches back.
    eu.cli(&["HINCRBY", "edge:purged", "#sequence", "5"]);
    let purge = json!({"by": "x", "tags": ["other"], "keys": [], "everything": false, "soft": false});
    eu.cli(&["XADD", "edge:purges", "5-0", "purge", &purge.to_string()]);
    eventually_in("a gap", 5, async || !edge.get("/a").await.is_hit()).await;
    edge.warm("/a").await;
    eu.cli(&["FLUSHALL"]);
    eventually_in("lost data", 5, async || !edge.get("/a").await.is_hit()).await;
    edge.warm("/a").await;
    assert!(edge.metric("edge_purges_missed_total").await >= 2.0);
}

/// A purge was taken while a region was cut off, and the edge that took it is gone before the region is back.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_region_is_owed_outlives_the_edge_that_took_the_order() {
    let (folder, origin) = (scratch(), origin().await);
    let (eu, us) = (RegionRedis::start(&folder, "eu"), RegionRedis::start(&folder, "us"));
    let wire = Wire::to(us.url().trim_start_matches("redis://")).await;
    let afar = format!("eu={},us=redis://{}", eu.url(), wire.address);
    let taker = Cache::start_told(&folder, &origin, &eu, &afar).await;
    let neighbour = Cache::start_told(&folder, &origin, &eu, &afar).await;
    let there = Cache::start(&folder, &origin, "us", &[&us]).await;
    for path in ["/a", "/b"] {
        there.warm(path).await;
    }
    wire.cut();
    let (status, told) = taker.purge(&json!({"tags": ["tag-a"]})).await;
    assert_eq!((status, told), (202, json!({"scope": "regions", "taken": ["eu"], "waiting": ["us"]})));
    assert_eq!(eu.cli(&["LLEN", "edge:owed:us"]).trim(), "1");
    drop(taker);
    assert!(there.get("/a").await.is_hit(), "it was told over a wire that is cut");
    wire.mend();
    eventually_in("what is owed is told", 20, async || !there.get("/a").await.is_hit()).await;
    assert!(there.get("/b").await.is_hit(), "more was purged than was ordered");
    eventually_in("nothing is owed", 20, async || eu.cli(&["LLEN", "edge:owed:us"]).trim() == "0").await;
    assert_eq!(neighbour.purge(&json!({"tags": ["tag-b"]})).await.1["taken"], json!(["eu", "us"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_ran_anew_makes_everything_stale_and_one_that_is_away_costs_nothing() {
    let (folder, origin) = (scratch(), origin().await);
    let mut eu = RegionRedis::start(&folder, "eu");
    let edge = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    edge.warm("/a").await;
    eu.kill();
    eventually_in("Redis is gone", 5, async || edge.metric("edge_purges_followed").await == 0.0).await;
    assert!(edge.get("/a").await.is_hit(), "an answer was lost with Redis");
    assert_eq!(edge.get("/other").await.code, 200);
    // Here at once; for the region when its Redis is back.
    let (status, problem) = edge.purge(&json!({"tags": ["tag-other"]})).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(status == 503 && detail.starts_with("eu could not be told") && detail.contains("repeat the order"), "{problem}");
    assert!(!edge.get("/other").await.is_hit());
    let other = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    other.warm("/other").await;
    edge.warm("/a").await;
    eu.restart();
    eventually_in("another run of Redis", 10, async || !edge.get("/a").await.is_hit()).await;
    eventually_in("the purge that waited is told", 10, async || edge.metric("edge_purges_waiting").await == 0.0).await;
    eventually_in("the purge that waited", 10, async || !other.get("/other").await.is_hit()).await;
    other.warm("/a").await;
    assert_eq!(edge.purge(&json!({"tags": ["tag-a"]})).await.0, 200);
    eventually_in("a purge afterwards", 5, async || !other.get("/a").await.is_hit()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_has_the_token_may_purge_and_orders_are_read_strictly() {
    let (folder, origin) = (scratch(), origin().await);
    let edge = Cache::start(&folder, &origin, "eu", &[]).await;
    edge.warm("/a").await;
    let everything = json!({"everything": true});
    for token in ["", "Bearer ", "Bearer wrong-wrong-wrong", &format!("Basic {TOKEN}")] {
        let (status, problem) = edge.purge_as(token, everything.to_string()).await;
        assert_eq!((status, problem["type"].as_str().is_some()), (401, true), "{token:?}");
    }
    let bearer = format!("Bearer {TOKEN}");
    for (body, named) in [
        ("{}", "everything"),
        ("[]", "body"),
        (r#"{"tags": ["a"], "everything": true}"#, "everything"),
        (r#"{"tag": ["a"]}"#, "unknown field `tag`"),
        (r#"{"tags": ["a b"]}"#, "a b"),
        (r#"{"urls": ["/a"]}"#, "names no host"),
        (r#"{"urls": ["http://shop.example/ a"]}"#, "urls"),
    ] {
        let (status, problem) = edge.purge_as(&bearer, body.to_owned()).await;
        assert_eq!(status, 400, "{body}");
        assert!(problem["detail"].as_str().unwrap().contains(named), "{body}: {problem}");
    }
    assert_eq!(edge.purge_as(&bearer, format!("{{\"tags\":[{:?}]}}", "a".repeat(70_000))).await.0, 413);
    assert!(edge.get("/a").await.is_hit(), "an order that was refused was done");
    // Without a Redis a purge is for this edge alone.
    assert_eq!(edge.purge(&everything).await, (200, json!({"scope": "this-edge", "taken": [], "waiting": []})));
    assert!(!edge.get("/a").await.is_hit());
    let closed = Cache::start_with(&origin, &[]).await;
    let (status, problem) = closed.purge_as(&bearer, everything.to_string()).await;
    assert_eq!(status, 403);
    assert!(problem["detail"].as_str().unwrap().contains("--admin-token-file"), "{problem}");
}
