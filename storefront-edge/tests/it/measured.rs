//! How fast news reaches an edge: measurements, which print what they find and judge nothing. Each alone, on a machine that does nothing
//! else: `cargo test -p storefront-edge --release -- --ignored --nocapture --test-threads 1 measured`.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    inventory::Inventory,
    leader::Three,
    purging::region::{Cache, RegionRedis, origin, scratch},
    scripted,
    shop::Shop,
};

const ROUNDS: usize = 50;

/// Questions about the age of stock: 20 a second, while five units a second are sold.
const LOOKS: usize = 600;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

fn print(what: &str, mut took: Vec<Duration>) {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    println!("{what}: n {}, median {:?}, p95 {:?}, worst {:?}", took.len(), at(50), at(95), at(100));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn from_a_purge_to_the_last_edge_of_three_regions() {
    let (folder, origin) = (scratch(), origin().await);
    let redis = ["eu", "us", "ap"].map(|region| RegionRedis::start(&folder, region));
    let all: Vec<&RegionRedis> = redis.iter().collect();
    let mut edges = Vec::new();
    for own in &redis {
        for _ in 0..2 {
            edges.push(Cache::start(&folder, &origin, own.region, &all).await);
        }
    }
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        for edge in &edges {
            edge.warm("/a").await;
        }
        let old = join_all(edges.iter().map(|edge| edge.get("/a"))).await;
        let ordered = Instant::now();
        let newest = edges.iter().zip(old).map(async |(edge, old)| {
            while edge.get("/a").await.body == old.body {}
            ordered.elapsed()
        });
        let order = json!({"tags": ["tag-a"]});
        let (told, newest) = tokio::join!(edges[0].purge(&order), join_all(newest));
        assert_eq!(told.0, 200);
        took.extend(newest.into_iter().max());
    }
    print("from the order to a new answer at the last of six edges in three regions", took);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of half a minute"]
async fn how_old_the_stock_of_a_product_is() {
    let inventory = Inventory::start().await;
    inventory.receive("LAMP-S", 10_000).await;
    let shop = Shop::start(&format!("eu={}", inventory.address()), &[]).await;
    shop.until_available(10_000).await;
    let mut ages = Vec::new();
    for nth in 0..LOOKS {
        if nth % 4 == 0 {
            inventory.buy("LAMP-S", 1).await;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
        let stock = shop.stock(0).await;
        let as_of = OffsetDateTime::parse(stock["as_of"].as_str().unwrap(), &Rfc3339).unwrap();
        ages.push((OffsetDateTime::now_utc() - as_of).max(time::Duration::ZERO).unsigned_abs());
    }
    print("age of the stock that a product is shown with", ages);
}

/// The edge's own part: from the first node that knows the leader to the answer of a checkout that waited. `orders` answers at once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn from_a_new_leader_to_the_first_checkout() {
    let three = Three::start().await;
    three.leaderless(1);
    let edge = three.edge(&["--election-timeout-ms", "600000"]).await;
    let mut took = Vec::new();
    for (round, term) in (0..ROUNDS).zip((2..).step_by(2)) {
        scripted::eventually(async || edge.metric("edge_leader_known", "").await == 0.0).await;
        let waiting = edge.check_out(&format!("key-{round}"));
        scripted::eventually(async || edge.metric("edge_checkouts_waiting", "").await == 1.0).await;
        let elected = Instant::now();
        three.led_by(term, 1);
        assert_eq!(waiting.await.unwrap().0, 201);
        took.push(elected.elapsed());
        three.leaderless(term + 1);
    }
    print("from a leader that a node knows of to the answer of a checkout that waited", took);
}
