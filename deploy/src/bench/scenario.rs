//! What is measured of the whole storefront: the edge's cache and the checkout.

use std::rc::Rc;

use anyhow::Context;
use chaos::{check::Heard, workload::Shopper};
use deploy_api::ProcessKind;
use uuid::Uuid;

use super::{
    Bench, Group,
    purchases::receive_skus,
    wire::{Wire, get},
};
use crate::supervisor::Supervisor;

/// Concurrent shoppers; each has a session of its own.
const SHOPPERS: usize = 32;

/// Runs what was asked for of the edge and the checkout.
pub(super) async fn run(supervisor: &Supervisor, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let edges = supervisor.topology().http_of(ProcessKind::Edge);
    if bench.args.wants(Group::Edge) {
        edge(&edges, bench).await?;
    }
    if bench.args.wants(Group::Checkout) {
        checkout(supervisor, &edges, bench).await?;
    }
    Ok(())
}

async fn fetch(wire: &mut Wire, request: &[u8]) -> Option<u64> {
    let (status, _) = wire.exchange(request).await.ok()?;
    (status == 200).then_some(1)
}

async fn edge(edges: &[String], bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let (http, edge) = (reqwest::Client::new(), edges.first().context("no edge")?);
    let listed: catalog_api::ProductPage = http.get(format!("http://{edge}/v1/products?limit=1")).send().await?.json().await?;
    let handle = &listed.items.first().context("the catalog is empty")?.handle;
    let paths = [
        ("edge/hit-64", 64, format!("/v1/products/{handle}")),
        ("edge/hit-256", 256, format!("/v1/products/{handle}")),
        ("edge/page", 64, format!("/products/{handle}")),
    ];
    for (name, callers, path) in paths {
        let request: Rc<[u8]> = get(&path).into();
        let of = |mut wire: Wire, request: Rc<[u8]>| async move || fetch(&mut wire, &request).await;
        let connect = async || {
            let mut loops = Vec::new();
            for _ in 0..callers {
                loops.push(of(Wire::open(edge).await?, request.clone()));
            }
            Ok(loops)
        };
        bench.measure(name, connect).await?;
    }
    Ok(())
}

/// A cart with two lines, checked out through an edge; 201 and 202 count.
async fn checkout(supervisor: &Supervisor, edges: &[String], bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let page: catalog_api::ProductPage =
        http.get(format!("http://{}/v1/products?limit=2", edges[0])).send().await?.json().await?;
    let mut skus = Vec::new();
    for item in &page.items {
        let url = format!("http://{}/v1/products/{}", edges[0], item.handle);
        let product: catalog_api::Product = http.get(url).send().await?.json().await?;
        skus.extend(product.variants.into_iter().next().map(|variant| variant.sku));
    }
    receive_skus(&supervisor.topology().http_of(ProcessKind::Inventory), &skus).await?;
    let mut shoppers = Vec::with_capacity(SHOPPERS);
    for nth in 0..SHOPPERS {
        let edge: Rc<str> = edges[nth % edges.len()].as_str().into();
        shoppers.push((Rc::new(Shopper::register(http.clone(), &edge).await?), edge));
    }
    let skus = Rc::new(skus);
    let buyer = |(shopper, edge): (Rc<Shopper>, Rc<str>)| {
        let skus = skus.clone();
        async move || {
            for sku in skus.iter() {
                shopper.add(&edge, sku.as_str(), 1).await.ok()?;
            }
            let heard = shopper.check_out(&edge, &Uuid::new_v4().to_string()).await;
            matches!(heard, Heard::Accepted(_)).then_some(1)
        }
    };
    bench.measure("checkout/full", async || Ok(shoppers.iter().cloned().map(&buyer).collect())).await
}
