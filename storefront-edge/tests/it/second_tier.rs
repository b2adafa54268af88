//! What one edge of a region has, the others have too; nothing that was purged, and nothing is lost without Redis.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{body::Body, response::IntoResponse};
use serde_json::json;
use tokio_stream::StreamExt;

use crate::{
    purging::region::{Cache, RegionRedis, eventually_in, origin, scratch},
    scripted::{Asked, Edge, Scripted},
};

/// A path that one edge keeps and has given to Redis, and another one served from there. Redis may be slow now and then.
async fn shared(one: &Cache, other: &Cache, eu: &RegionRedis, kind: &str) -> String {
    for nth in 0..20 {
        let path = format!("/{kind}-{nth}");
        one.warm(&path).await;
        eu.has(&path).await;
        if other.get(&path).await.is_second() {
            return path;
        }
    }
    panic!("nothing came from Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_serves_what_another_one_of_the_region_has_without_asking() {
    let (folder, origin) = (scratch(), origin().await);
    let eu = RegionRedis::start(&folder, "eu");
    let one = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    let other = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    let path = shared(&one, &other, &eu, "shared").await;
    assert_eq!(origin.times(&path), 1, "the origin was asked twice");
    let again = other.get(&path).await;
    assert!(again.is_hit() && !again.is_second(), "it was not kept: {}", again.status);
    assert_eq!(other.purge(&json!({"tags": [format!("tag-{}", &path[1..])]})).await.0, 200);
    assert!(!other.get(&path).await.is_hit(), "its tags were lost on the way");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_does_not_come_back_from_redis() {
    let (folder, origin) = (scratch(), origin().await);
    let eu = RegionRedis::start(&folder, "eu");
    let one = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    let kept: Vec<String> = (0..10).map(|nth| format!("/kept-{nth}")).collect();
    for path in ["/tagged", "/named", "/changed"].into_iter().chain(kept.iter().map(String::as_str)) {
        one.warm(path).await;
        eu.has(path).await;
    }
    assert_eq!(one.purge(&json!({"tags": ["tag-tagged"]})).await.0, 200);
    assert_eq!(one.purge(&json!({"urls": ["http://shop.example/named"], "soft": true})).await.0, 200);
    assert_eq!(one.post("/changed").await, 200);
    eventually_in("the invalidation is told", 5, async || eu.cli(&["HGET", "edge:purged", "#sequence"]).trim() == "3").await;
    let later = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    for path in ["/tagged", "/named", "/changed"] {
        eu.has(path).await;
        assert!(!later.get(path).await.is_hit(), "{path} came back");
    }
    let mut second = 0;
    for path in &kept[..5] {
        second += usize::from(later.get(path).await.is_second());
    }
    assert!(second > 0, "nothing comes from Redis any more");
    assert_eq!(one.purge(&json!({"everything": true})).await.0, 200);
    let last = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    for path in &kept[5..] {
        assert!(!last.get(path).await.is_hit(), "{path} came back");
    }
    shared(&one, &last, &eu, "afterwards").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_everything_is_served_and_with_a_new_one_hits_come_again() {
    let (folder, origin) = (scratch(), origin().await);
    let mut eu = RegionRedis::start(&folder, "eu");
    let one = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    let other = Cache::start(&folder, &origin, "eu", &[&eu]).await;
    let before = shared(&one, &other, &eu, "before").await;
    eu.kill();
    for nth in 0..20 {
        assert_eq!(other.get(&format!("/without-{nth}")).await.code, 200);
    }
    eu.restart();
    eventually_in("hits again", 20, async || {
        let path = format!("/after-{}", uuid::Uuid::new_v4());
        one.warm(&path).await;
        other.get(&path).await.is_second()
    })
    .await;
    let later = Cache::start_with(&origin, &["--redis", &eu.url(), "--region", "eu"]).await;
    assert!(!later.get(&before).await.is_hit(), "an answer from before a run that may have lost purges was used");
}

/// A catalog whose products have a tag each, and that says what it purges.
async fn catalog(sequence: Arc<AtomicU64>, changes: tokio::sync::broadcast::Sender<String>) -> Scripted {
    Scripted::start(move |asked: Asked| {
        let handle = asked.path.rsplit('/').next().unwrap_or_default().to_owned();
        let answer = if asked.path.starts_with("/v1/changes") {
            let reset = json!({"type": "reset", "epoch": "e", "sequence": sequence.load(Ordering::SeqCst)});
            let more = tokio_stream::wrappers::BroadcastStream::new(changes.subscribe()).filter_map(Result::ok);
            let lines = tokio_stream::once(format!("{reset}\n")).chain(more);
            Body::from_stream(lines.map(Ok::<_, std::convert::Infallible>)).into_response()
        } else {
            ([("cache-control", "s-maxage=600".to_owned()), ("surrogate-key", format!("product:{handle}"))], "x").into_response()
        };
        std::future::ready(answer)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_catalog_purged_does_not_come_back_and_the_rest_outlives_the_edges() {
    let (folder, sequence) = (scratch(), Arc::new(AtomicU64::new(7)));
    let changes = tokio::sync::broadcast::Sender::new(16);
    let (eu, catalog) = (RegionRedis::start(&folder, "eu"), catalog(sequence.clone(), changes.clone()).await);
    let url = eu.url();
    let marked = async |tag: &str, number: &str| {
        eventually_in(&format!("a mark of {tag}"), 10, async || eu.cli(&["HGET", "edge:catalog", tag]).trim() == number).await;
    };
    let hit = async |edge: &Edge, path: &str| {
        let status = edge.get(path).await.1["cache-status"].to_str().unwrap().to_owned();
        (status.contains("; hit"), status.contains("detail=l2"))
    };
    let one = Edge::start(&catalog, &[], &[], &["--redis", &url]).await;
    marked("#from", "7").await;
    let paths: Vec<String> = (0..10).map(|nth| format!("/v1/products/lamp-{nth}")).collect();
    for path in paths.iter().map(String::as_str).chain(["/v1/products/gone"]) {
        let key = format!("edge:v1:shop:|{path}");
        eventually_in("it is written", 20, async || {
            one.get(path).await;
            eu.cli(&["HGET", &key, "at"]).trim() == "7"
        })
        .await;
    }
    // The first purge after a start is never joined to those before; the second is.
    for (number, tag) in [(8, "product:other"), (9, "product:gone")] {
        sequence.store(number, Ordering::SeqCst);
        let purge = json!({"type": "purge", "epoch": "e", "sequence": number, "tags": [tag]});
        changes.send(format!("{purge}\n")).unwrap();
        marked("#sequence", &number.to_string()).await;
    }
    drop(one);
    let later = Edge::start(&catalog, &[], &[], &["--redis", &url]).await;
    assert!(!hit(&later, "/v1/products/gone").await.0, "what was purged came back");
    for (nth, path) in paths.iter().enumerate() {
        // Once it writes there it follows both lists, and Redis is not slow just now.
        let asked = format!("/v1/products/later-{nth}-");
        let key = format!("edge:v1:shop:|{asked}");
        let mut times = 0;
        eventually_in("the new edge writes to Redis", 20, async || {
            times += 1;
            later.get(&format!("{asked}{times}")).await;
            eu.cli(&["KEYS", &format!("{key}*")]).trim().starts_with(&key)
        })
        .await;
        if hit(&later, path).await.1 {
            return;
        }
    }
    panic!("nothing comes from Redis after a restart of the edge");
}
