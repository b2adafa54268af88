//! PostgreSQL in two regions: the primary's region is lost, and no recorded order is.

use backing_servers::{InstallError, ensure_replication_installed};
use chaos::{
    audit,
    check::{Heard, conservation},
    workload::Shopper,
};
use uuid::Uuid;

use super::running::{Running, eventually};

/// Who orders while the region is away.
const SHOPPERS: usize = 6;

/// What Patroni says of a member under a path.
async fn says(running: &Running, member: &str, path: &str) -> bool {
    let address = running.topology().process(member).and_then(|process| process.admin.clone()).unwrap();
    reqwest::get(format!("http://{address}{path}")).await.is_ok_and(|answer| answer.status().is_success())
}

async fn becomes(running: &Running, member: &str, path: &str) {
    eventually(&format!("{member} at {path}"), async || says(running, member, path).await.then_some(())).await;
}

/// Names of all processes of a region.
fn of_region(running: &Running, region: &str) -> Vec<String> {
    let processes = running.topology().processes;
    processes.into_iter().filter(|process| process.region == region).map(|process| process.name).collect()
}

async fn ready(edge: &str) -> Shopper {
    let shopper = Shopper::register(reqwest::Client::new(), edge).await.unwrap();
    shopper.add(edge, "CALM-1", 1).await.unwrap();
    shopper
}

async fn buys(shopper: &Shopper, edges: &[String]) -> Uuid {
    let heard = shopper.check_out_until_known(edges, 0, &Uuid::new_v4().to_string(), 6).await;
    let Heard::Accepted(order) = heard else { panic!("{heard:?}") };
    order
}

/// Both stores agree, and PostgreSQL has these orders and no other one.
async fn recorded(running: &Running, accepted: &[Uuid]) {
    eventually("the books to balance", async || {
        let books = audit::read(&running.topology()).await.ok()?;
        (books.unrecorded.is_empty() && conservation(&books).is_empty()).then_some(())
    })
    .await;
    let orders = audit::orders_of(&running.topology(), "CALM-1").await.unwrap();
    let lost: Vec<_> = accepted.iter().filter(|order| !orders.contains_key(order)).collect();
    assert!(lost.is_empty() && orders.len() == accepted.len(), "lost {lost:?} of {accepted:?}; there are {orders:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_is_lost_with_the_region_of_the_primary_and_checkouts_go_on() {
    match ensure_replication_installed(|text| eprintln!("{text}")) {
        Ok(()) => {}
        Err(missing @ InstallError::NotRoot { .. }) => return eprintln!("NOT TESTED: failover of PostgreSQL. {missing}"),
        Err(error) => panic!("{error}"),
    }
    let running = Running::start_of("ha").await;
    let edges = running.edges();
    let surviving = &edges[1..];
    let mut shoppers = Vec::new();
    for n in 0..SHOPPERS {
        shoppers.push(ready(&surviving[n % surviving.len()]).await);
    }
    let mut accepted = vec![buys(&ready(&edges[0]).await, &edges).await];
    assert!(says(&running, "postgres-eu", "/primary").await && says(&running, "postgres-us", "/sync").await);

    running.kill_all(of_region(&running, "eu")).await;
    for shopper in &shoppers {
        accepted.push(buys(shopper, surviving).await);
    }
    becomes(&running, "postgres-us", "/primary").await;
    recorded(&running, &accepted).await;

    let early = running.start_all_of(of_region(&running, "eu")).await;
    assert!(early.is_empty(), "{early:?}");
    becomes(&running, "postgres-eu", "/sync").await;
    assert!(says(&running, "postgres-us", "/primary").await);
    accepted.push(buys(&ready(&surviving[0]).await, surviving).await);
    recorded(&running, &accepted).await;

    // What came back has everything: now it is the one that is left.
    running.kill("postgres-us").await;
    becomes(&running, "postgres-eu", "/primary").await;
    recorded(&running, &accepted).await;
}
