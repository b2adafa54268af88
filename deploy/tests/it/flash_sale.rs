//! Many shoppers, few units, and everything breaks in the middle.

use std::{sync::Arc, time::Duration};

use chaos::{
    audit,
    check::{Attempt, Heard, sale},
    workload::Shopper,
};
use futures_util::StreamExt;
use uuid::Uuid;

use super::{
    books::{at_rest, receive},
    running::Running,
};

const SHOPPERS: usize = 200;
const UNITS: u32 = 50;

/// Of ten shoppers, so many ask twice under one key, over another edge, at the same time.
const IMPATIENT_OF_TEN: usize = 3;

/// Registered, each with one unit in the cart, over all edges.
async fn ready_shoppers(edges: &[String], http: &reqwest::Client) -> Vec<Shopper> {
    let ready = futures_util::stream::iter(0..SHOPPERS).map(|n| async move {
        let edge = &edges[n % edges.len()];
        let shopper = Shopper::register(http.clone(), edge).await.unwrap();
        shopper.add(edge, "SALE-1", 1).await.unwrap();
        shopper
    });
    ready.buffered(20).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exactly_the_units_are_sold_while_the_leader_is_killed() {
    let running = Running::start().await;
    receive(&running, "SALE-1", UNITS).await;
    let (edges, http) = (Arc::new(running.edges()), reqwest::Client::new());
    let shoppers = ready_shoppers(&edges, &http).await;
    let buyers: Vec<_> = shoppers
        .into_iter()
        .enumerate()
        .map(|(n, shopper)| {
            let edges = edges.clone();
            tokio::spawn(async move {
                let key = Uuid::new_v4().to_string();
                let first = shopper.check_out_until_known(&edges, n, &key, 6);
                let heard = match n % 10 < IMPATIENT_OF_TEN {
                    true => {
                        let (first, second) = tokio::join!(first, shopper.check_out_until_known(&edges, n + 1, &key, 6));
                        vec![first, second]
                    }
                    false => vec![first.await],
                };
                Attempt { shopper: n, heard }
            })
        })
        .collect();
    let leader = running.leader().await;
    running.kill(&leader).await;
    let mut attempts = Vec::new();
    for buyer in buyers {
        attempts.push(buyer.await.unwrap());
    }
    running.start_process(&leader).await;
    at_rest(&running).await;
    let recorded = audit::orders_of(&running.topology(), "SALE-1").await.unwrap();
    let differences = sale(u64::from(UNITS), &attempts, &recorded);
    assert!(differences.is_empty(), "{differences:#?}");
    let refused = attempts.iter().filter(|attempt| attempt.heard[0] == Heard::SoldOut).count();
    assert_eq!(refused, SHOPPERS - UNITS as usize);
    let book = audit::read(&running.topology()).await.unwrap().stock["SALE-1"];
    assert_eq!((book.received, book.sold, book.on_hand, book.reserved), (u64::from(UNITS), u64::from(UNITS), 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_taken_without_postgres_and_redis_and_are_there_afterwards() {
    let running = Running::start().await;
    let (edges, http) = (running.edges(), reqwest::Client::new());
    let shopper = Shopper::register(http, &edges[0]).await.unwrap();
    shopper.add(&edges[0], "CALM-1", 2).await.unwrap();
    running.kill("postgres").await;
    let key = Uuid::new_v4().to_string();
    let heard = shopper.check_out_until_known(&edges, 0, &key, 3).await;
    let Heard::Accepted(order) = heard else { panic!("{heard:?} while PostgreSQL is away") };
    running.start_process("postgres").await;
    at_rest(&running).await;
    assert_eq!(audit::orders_of(&running.topology(), "CALM-1").await.unwrap()[&order], 2);
    assert_eq!(shopper.check_out_until_known(&edges, 1, &key, 3).await, heard, "another answer to the same key");
    for redis in ["redis-eu", "redis-us", "redis-ap"] {
        running.kill(redis).await;
    }
    shopper.add(&edges[1], "CALM-1", 1).await.unwrap();
    let heard = shopper.check_out_until_known(&edges, 2, &Uuid::new_v4().to_string(), 3).await;
    assert!(matches!(heard, Heard::Accepted(_)), "{heard:?} while Redis is away");
    at_rest(&running).await;
    // The answer of a client that hangs up at once is lost; its order is not.
    shopper.add(&edges[0], "CALM-1", 1).await.unwrap();
    let key = Uuid::new_v4().to_string();
    let hung_up = tokio::time::timeout(Duration::from_millis(5), shopper.check_out(&edges[0], &key)).await;
    let heard = shopper.check_out_until_known(&edges, 1, &key, 3).await;
    assert!(matches!(heard, Heard::Accepted(_)), "{heard:?} after {hung_up:?}");
    at_rest(&running).await;
    // All inventory nodes at once: one alone only has to run, and with a second one both work.
    let nodes = ["inventory-eu", "inventory-us", "inventory-ap"].map(str::to_owned);
    running.kill_all(nodes.to_vec()).await;
    assert_eq!(running.start_all_of(nodes[..1].to_vec()).await, nodes[..1]);
    assert!(running.start_all_of(nodes[1..].to_vec()).await.is_empty());
    at_rest(&running).await;
}
