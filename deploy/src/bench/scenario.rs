//! What is measured.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::Context;
use chaos::{check::Heard, workload::Shopper};
use deploy_api::ProcessKind;
use indicatif::{ProgressBar, ProgressStyle};
use inventory_api::{
    BatchRequest, CommandRequest, Consistency, InventoryClient, LineRequest, OutcomeCode, PurchaseRequest, ReceiveRequest,
};
use storefront_types::{CallContext, CommandId, Quantity, ReservationId, Sku};
use uuid::Uuid;

use super::{
    BenchArgs, Group,
    drive::{Round, round},
    table::Measured,
};
use crate::supervisor::Supervisor;

/// Concurrent callers of the inventory and the edge.
const CALLERS: usize = 256;

/// Concurrent shoppers; each has a session of its own.
const SHOPPERS: usize = 32;

/// SKUs that uniform purchases are spread over.
const SKUS: usize = 1_000;

/// Commands of one batch.
const BATCH: usize = 500;

/// Enough of everything for any round.
const PLENTY: u32 = 1_000_000_000;

struct Bench<'a> {
    args: &'a BenchArgs,
    progress: ProgressBar,
    measured: Vec<Measured>,
}

impl Bench<'_> {
    /// Runs the rounds of one bench and keeps the medians.
    async fn measure<F, C>(&mut self, name: &'static str, callers: usize, call: F) -> anyhow::Result<()>
    where
        F: Fn(usize) -> C + Send + Sync + Clone + 'static,
        C: Future<Output = Option<u64>> + Send,
    {
        let mut rounds: Vec<Round> = Vec::new();
        for nth in 1..=self.args.rounds {
            self.progress.set_message(format!("{name}, round {nth} of {}", self.args.rounds));
            rounds.push(round(callers, Duration::from_secs(self.args.seconds), call.clone()).await?);
        }
        self.measured.push(Measured::of(name, &rounds)?);
        Ok(())
    }
}

/// Runs what was asked for.
pub(super) async fn all(supervisor: &Supervisor, args: &BenchArgs) -> anyhow::Result<Vec<Measured>> {
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    progress.enable_steady_tick(Duration::from_millis(100));
    let mut bench = Bench { args, progress, measured: Vec::new() };
    if args.wants(Group::Inventory) {
        inventory(supervisor, &mut bench).await?;
    }
    let edges = Arc::new(supervisor.topology().http_of(ProcessKind::Edge));
    if args.wants(Group::Edge) {
        edge(&edges, &mut bench).await?;
    }
    if args.wants(Group::Checkout) {
        checkout(supervisor, edges, &mut bench).await?;
    }
    bench.progress.finish_and_clear();
    Ok(bench.measured)
}

fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

fn sku(nth: usize) -> anyhow::Result<Sku> {
    Ok(Sku::parse(&format!("bench-{nth}"))?)
}

fn purchase(sku: &Sku) -> Option<PurchaseRequest> {
    let line = LineRequest { sku: sku.clone(), quantity: Quantity::new(1).ok()?, locations: Vec::new(), may_split: true };
    Some(PurchaseRequest { id: ReservationId::new(Uuid::now_v7()), lines: vec![line], memo: None })
}

async fn receive(client: &InventoryClient, skus: &[Sku]) -> anyhow::Result<()> {
    let location = "eu-1".parse::<storefront_types::LocationId>()?;
    let quantity = Quantity::new(PLENTY)?;
    let of = |sku: &Sku| {
        let id = CommandId::new(Uuid::now_v7());
        CommandRequest::Receive(ReceiveRequest { id, sku: sku.clone(), location: location.clone(), quantity })
    };
    for some in skus.chunks(BATCH) {
        client.batch(&context(), &BatchRequest { commands: some.iter().map(of).collect() }).await?;
    }
    Ok(())
}

async fn buy_one(client: InventoryClient, sku: Sku) -> Option<u64> {
    let outcome = client.purchase(&context(), &purchase(&sku)?).await.ok()?;
    (outcome.outcome == OutcomeCode::Ok).then_some(1)
}

async fn inventory(supervisor: &Supervisor, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let client = InventoryClient::new(supervisor.topology().http_of(ProcessKind::Inventory));
    let skus: Arc<Vec<Sku>> = Arc::new((0..SKUS).map(sku).collect::<Result<_, _>>()?);
    receive(&client, &skus).await?;
    let (of, all) = (client.clone(), skus.clone());
    bench
        .measure("inventory/purchase-single-uniform", CALLERS, move |_| {
            let [high, low, ..] = Uuid::new_v4().into_bytes();
            let nth = usize::from(u16::from_be_bytes([high, low])) % SKUS;
            buy_one(of.clone(), all[nth].clone())
        })
        .await?;
    let (of, hot) = (client.clone(), skus[0].clone());
    bench.measure("inventory/purchase-single-hot", CALLERS, move |_| buy_one(of.clone(), hot.clone())).await?;
    let (of, one) = (client.clone(), skus[1].clone());
    bench.measure("inventory/purchase-one-caller", 1, move |_| buy_one(of.clone(), one.clone())).await?;
    let (of, all) = (client.clone(), skus.clone());
    bench.measure("inventory/purchase-batch", 4, move |_| buy_many(of.clone(), all.clone())).await?;
    let (of, read) = (client, skus[2].clone());
    bench
        .measure("inventory/read-linearizable", CALLERS, move |_| {
            let (client, sku) = (of.clone(), read.clone());
            async move { client.stock(&context(), &sku, Consistency::Linearizable).await.ok().flatten().map(|_| 1) }
        })
        .await
}

async fn buy_many(client: InventoryClient, skus: Arc<Vec<Sku>>) -> Option<u64> {
    let commands: Vec<_> = skus.iter().take(BATCH).filter_map(|sku| Some(CommandRequest::Purchase(purchase(sku)?))).collect();
    let outcomes = client.batch(&context(), &BatchRequest { commands }).await.ok()?;
    Some(outcomes.iter().filter(|outcome| outcome.outcome == OutcomeCode::Ok).count() as u64)
}

async fn read(http: reqwest::Client, url: String) -> Option<u64> {
    let answer = http.get(url).send().await.ok()?;
    let ok = answer.status().is_success();
    answer.bytes().await.ok().filter(|_| ok).map(|_| 1)
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
        let (http, url) = (http.clone(), format!("http://{edge}{path}"));
        bench.measure(name, callers, move |_| read(http.clone(), url.clone())).await?;
    }
    Ok(())
}

/// A cart with two lines, checked out through an edge; 201 counts.
async fn checkout(supervisor: &Supervisor, edges: Arc<Vec<String>>, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let page: catalog_api::ProductPage =
        http.get(format!("http://{}/v1/products?limit=2", edges[0])).send().await?.json().await?;
    let mut skus = Vec::new();
    for item in &page.items {
        let url = format!("http://{}/v1/products/{}", edges[0], item.handle);
        let product: catalog_api::Product = http.get(url).send().await?.json().await?;
        skus.extend(product.variants.into_iter().next().map(|variant| variant.sku));
    }
    receive(&InventoryClient::new(supervisor.topology().http_of(ProcessKind::Inventory)), &skus).await?;
    let mut shoppers = Vec::with_capacity(SHOPPERS);
    for nth in 0..SHOPPERS {
        shoppers.push(Shopper::register(http.clone(), &edges[nth % edges.len()]).await?);
    }
    let (shoppers, skus) = (Arc::new(shoppers), Arc::new(skus));
    bench
        .measure("checkout/full", SHOPPERS, move |caller| {
            let (shoppers, edges, skus) = (shoppers.clone(), edges.clone(), skus.clone());
            async move {
                let edge = &edges[caller % edges.len()];
                for sku in skus.iter() {
                    shoppers[caller].add(edge, sku.as_str(), 1).await.ok()?;
                }
                let heard = shoppers[caller].check_out(edge, &Uuid::new_v4().to_string()).await;
                matches!(heard, Heard::Accepted(_)).then_some(1)
            }
        })
        .await
}
