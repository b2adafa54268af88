//! `checkout/full`: whole checkouts through the edges.

use std::rc::Rc;

use chaos::{check::Heard, workload::Shopper};
use deploy_api::ProcessKind;
use uuid::Uuid;

use super::{Bench, purchases::receive_skus};
use crate::supervisor::Supervisor;

/// Concurrent shoppers; each has a session of its own.
const SHOPPERS: usize = 32;

/// A cart with two lines, checked out through an edge; 201 and 202 count.
pub(super) async fn run(supervisor: &Supervisor, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let edges = supervisor.topology().http_of(ProcessKind::Edge);
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
