//! A topology whose connections are led through links: it works, a region can be cut off, and all is level when it is back.

use std::{collections::BTreeSet, time::Duration};

use deploy::Spec;
use deploy_api::{ProcessKind, Topology};
use fault_proxy::{Condition, Fault, ProxyClient};
use inventory_api::ClusterView;
use reqwest::StatusCode;
use storefront_types::CallContext;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use uuid::Uuid;

use super::{
    books::at_rest,
    running::{Running, eventually},
    shop::Api,
};

/// What one node says of its cluster.
async fn view(topology: &Topology, node: &str) -> Option<ClusterView> {
    let mut alone = topology.clone();
    alone.processes.retain(|process| process.name == node);
    let client = chaos::audit::inventory(&alone).unwrap().with_deadline(Duration::from_secs(1));
    client.cluster(&CallContext::background(Uuid::new_v4())).await.ok()
}

/// Returns when these nodes have one leader, one of them, and have all applied the same.
async fn level(topology: &Topology, nodes: &[&str]) {
    eventually(&format!("{nodes:?} to be level"), async || {
        let mut said = BTreeSet::new();
        for node in nodes {
            let view = view(topology, node).await?;
            let leader = view.leader?.address;
            nodes.iter().any(|node| topology.process(node).is_some_and(|process| process.http == leader)).then_some(())?;
            said.insert((leader, view.term, view.applied_index));
        }
        (said.len() == 1).then_some(())
    })
    .await;
}

/// Whether whoever is behind a link ends a connection that says nothing and ends its half.
async fn answers(address: &str) -> bool {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.shutdown().await.unwrap();
    timeout(Duration::from_secs(5), stream.read_to_end(&mut Vec::new())).await.is_ok()
}

async fn buys(api: &Api, edge: usize) -> StatusCode {
    let token = api.add_at(edge, "", "CALM-1", 1).await.unwrap();
    api.checkout(edge, &token, &Uuid::new_v4().to_string(), "Berlin").send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_region_is_cut_off_and_comes_back() {
    let running = Running::of(Spec::read(None).unwrap().with_links()).await;
    let (topology, api) = (running.topology(), Api::new(&running));
    assert!(topology.process("links").is_some_and(|process| process.kind == ProcessKind::Links));
    for edge in 0..3 {
        assert_eq!(buys(&api, edge).await, StatusCode::CREATED);
    }
    // Nobody buys it, so that no purge takes it from the edge again.
    assert_eq!(api.get(2, "/v1/products/sale", "").await.status(), StatusCode::OK);
    assert!(answers(&topology.links[0].address).await);
    let proxy = ProxyClient::new(&topology.links[0].control, running.place.control().unwrap().token()).unwrap();
    let used = proxy.links().await.unwrap();
    let unused: Vec<&str> = used
        .iter()
        .filter(|link| link.accepted_connections == 0 && link.to.starts_with("inventory"))
        .map(|link| &*link.name)
        .collect();
    // A node talks to every other one, so whatever goes around its links would leave one of them unused.
    assert!(!unused.iter().any(|name| name.starts_with("inventory")), "{unused:?} were not used");

    let between = topology.links.iter().filter(|link| (link.from_region == "ap") != (link.to_region == "ap"));
    let links: Vec<String> = between.map(|link| link.name.clone()).collect();
    proxy.set("cut", &Fault { links, condition: Condition::cut(), lease_ms: 60_000 }).await.unwrap();
    level(&topology, &["inventory-eu", "inventory-us"]).await;
    let renewing = proxy.clone();
    let renewed = tokio::spawn(async move {
        while renewing.renew("cut", fault_proxy::MAX_LEASE).await.is_ok() {
            tokio::time::sleep(fault_proxy::MAX_LEASE / 10).await;
        }
    });
    for (from, to) in [("inventory-eu", "inventory-ap"), ("inventory-ap", "inventory-us"), ("edge-eu", "orders-ap")] {
        let link = topology.links.iter().find(|link| link.from == from && link.to == to).unwrap();
        assert!(!answers(&link.address).await, "{} is not cut", link.name);
    }
    let before = view(&topology, "inventory-ap").await.unwrap().applied_index;
    for edge in 0..2 {
        eventually("a checkout in another region", async || (buys(&api, edge).await == StatusCode::CREATED).then_some(())).await;
    }
    level(&topology, &["inventory-eu", "inventory-us"]).await;
    assert_eq!(view(&topology, "inventory-ap").await.unwrap().applied_index, before, "something came through");
    let alone = api.http.get(api.url(2, "/v1/products/sale")).send().await.unwrap();
    assert_eq!(alone.status(), StatusCode::OK, "the region that is cut off still shows what it has");

    renewed.abort();
    proxy.heal("cut").await.unwrap();
    level(&topology, &["inventory-eu", "inventory-us", "inventory-ap"]).await;
    assert!(view(&topology, "inventory-ap").await.unwrap().applied_index > before);
    eventually("a checkout in the region that is back", async || {
        let answer = api.post(2, "/v1/cart/add", "", &serde_json::json!({"sku": "CALM-1", "quantity": 1})).send().await.ok()?;
        let token = answer.headers().get("session-token")?.to_str().ok()?.to_owned();
        let key = Uuid::new_v4().to_string();
        let answer = api.checkout(2, &token, &key, "Berlin").send().await.ok()?;
        (answer.status() == StatusCode::CREATED).then_some(())
    })
    .await;
    at_rest(&running).await;
}
