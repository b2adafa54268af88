//! A whole run of load: who comes, for how long, and the audit afterwards.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use deploy_api::{Process, ProcessKind, Topology};
use futures_util::future::{join, join3};
use indicatif::ProgressBar;
use inventory_api::InventoryClient;
use storefront_types::Sku;
use time::OffsetDateTime;
use tokio::{
    sync::{Semaphore, watch as signal},
    task::JoinSet,
    time::Instant,
};
use uuid::Uuid;

use super::{
    Meter,
    arrivals::offer,
    catalogue::offers,
    crew::{Crew, OWN_SKUS},
    deal::{Deal, receive},
    ending, probe,
    sale::Sale,
    stocking,
    visit::Shop,
    watch,
};
use crate::{
    audit,
    history::{Operation, ShopLine, Writer, Written, read_operations, read_shop},
    run::{Load, Reign, Replicas, Sample},
};

/// Shoppers in the shop at once: each has a connection or two, and a process may have 8,192 files open on a small machine.
const MOST_VISITS: usize = 2_000;

/// Clients of the inventory at once. Each asks one thing at a time.
const CLIENTS: u64 = 64;

/// SKUs that those trade in: few, so that they meet.
const SKUS: usize = 8;

/// Units of each to begin with.
const UNITS: u32 = 100;

/// What load to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Shoppers a second, over all edges.
    pub rate: f64,
    /// Clients of the inventory a second.
    pub deals: f64,
    pub time: Duration,
    pub seed: u64,
    pub history: PathBuf,
    pub shop: PathBuf,
}

/// What comes besides, and who ends it.
#[derive(Clone, Debug)]
pub struct Besides {
    /// Reads a second that ask each node by itself.
    pub node_reads: f64,
    pub sale: Option<Arc<Sale>>,
    /// Nobody comes any more once this is true.
    stop: signal::Receiver<bool>,
}

impl Besides {
    /// With what ends it.
    pub fn new(node_reads: f64, sale: Option<Arc<Sale>>) -> (signal::Sender<bool>, Self) {
        let (end, stop) = signal::channel(false);
        (end, Self { node_reads, sale, stop })
    }
}

/// What came of it; both files are complete.
#[derive(Clone, Debug)]
pub struct Driven {
    pub samples: Vec<Sample>,
    pub load: Load,
    pub reigns: Vec<Reign>,
    pub replicas: Vec<Replicas>,
    pub length_ms: u64,
    pub history: Vec<Operation>,
    pub shop: Vec<ShopLine>,
    /// Why not everything was looked up afterwards: what is missing in the histories was not seen, and is not gone.
    pub unread: Option<String>,
}

/// `meter` has the run's clock: marks of faults are to be made by it. Ends when the time is over and everything was looked up, which needs the
/// topology healed.
pub async fn drive(topology: &Topology, plan: &Plan, meter: &Arc<Meter>, progress: &ProgressBar) -> anyhow::Result<Driven> {
    let (_stop, besides) = Besides::new(0.0, None);
    drive_with(topology, plan, besides, meter, progress).await
}

/// The same with what somebody directs; the time of the plan is the longest then.
pub async fn drive_with(
    topology: &Topology,
    plan: &Plan,
    besides: Besides,
    meter: &Arc<Meter>,
    progress: &ProgressBar,
) -> anyhow::Result<Driven> {
    let (crew, crew_written) = crew(topology, plan, meter).await?;
    let (shop, shop_written) = shop(topology, plan, besides.sale.clone(), meter).await?;
    let (crew, shop) = (Arc::new(crew), Arc::new(shop));
    let (end, ended) = signal::channel(false);
    let nodes = nodes(topology)?;
    progress.set_length(plan.time.as_secs());
    let clients = async {
        let mut stops = besides.stop.clone();
        let come = join3(
            visits(&shop, plan, besides.stop.clone(), progress),
            deals(&crew, meter, plan, besides.stop.clone()),
            probe::nodes(&crew, meter, &nodes, besides.node_reads, &mut stops, plan.time),
        );
        let (visits, deals, ()) = come.await;
        // What is under way has deadlines of its own.
        join(visits.join_all(), deals.join_all()).await;
        let _ = end.send(true);
        meter.now() / 1_000_000
    };
    let (length_ms, (reigns, replicas)) = join(clients, watch::inventory(nodes.clone(), meter, ended)).await;
    progress.set_message("looking up what became of it");
    let (samples, load) = meter.samples();
    let began_at = shop.began_at;
    drop(shop);
    shop_written.end().await?;
    let lines = read_shop(&plan.shop)?;
    let (writer, shop_written) = Writer::append(&plan.shop)?;
    let orders = ending::shop(topology, &crew.client, &lines, began_at, &writer).await;
    drop(writer);
    shop_written.end().await?;
    let ids = finish(crew, crew_written, meter, &plan.history).await?;
    let (history, shop) = (read_operations(&plan.history)?, read_shop(&plan.shop)?);
    let unread = orders.and(ids).err().map(|error| format!("what became of it cannot be looked up: {error:#}"));
    Ok(Driven { samples, load, reigns, replicas, length_ms, history, shop, unread })
}

/// Gives whether every id could be looked up.
async fn finish(crew: Arc<Crew>, written: Written, meter: &Meter, path: &Path) -> anyhow::Result<anyhow::Result<()>> {
    let crew = Arc::into_inner(crew).context("a client of the inventory is still at work")?;
    let crew = crew.write_to(None);
    written.end().await?;
    let (writer, written) = Writer::append(path)?;
    let crew = crew.write_to(Some(writer));
    let looked = ending::inventory(&crew, meter, &read_operations(path)?).await;
    drop(crew);
    written.end().await?;
    Ok(looked)
}

async fn crew(topology: &Topology, plan: &Plan, meter: &Meter) -> anyhow::Result<(Crew, Written)> {
    let run = &Uuid::new_v4().simple().to_string()[..8];
    let skus = (0..SKUS).map(|n| Sku::parse(&format!("{OWN_SKUS}{run}-{n}"))).collect::<Result<Vec<Sku>, _>>()?;
    let (writer, written) = Writer::create(&plan.history)?;
    let crew = Crew::new(audit::inventory(topology)?, skus, writer, CLIENTS);
    for sku in &crew.skus {
        receive(&crew, meter, 0, sku, (Uuid::now_v7(), UNITS), Instant::now()).await;
    }
    Ok((crew, written))
}

async fn shop(topology: &Topology, plan: &Plan, sale: Option<Arc<Sale>>, meter: &Arc<Meter>) -> anyhow::Result<(Shop, Written)> {
    let edge = |process: &Process| (process.http.clone(), process.region.clone());
    let edges: Vec<(String, String)> = topology.processes.iter().filter(|p| p.kind == ProcessKind::Edge).map(edge).collect();
    ensure!(!edges.is_empty(), "the topology has no edge; shoppers have no door");
    let http = reqwest::Client::builder().pool_max_idle_per_host(MOST_VISITS).build()?;
    let mut offers = offers(&http, &edges[0].0).await?;
    // What is for sale later is bought by nobody before.
    offers.retain(|offer| sale.as_ref().is_none_or(|sale| sale.offer.sku != offer.sku));
    ensure!(!offers.is_empty(), "the shop has nothing to sell: `cargo deploy up --seed-catalog FILE`");
    stocking::stock(&audit::inventory(topology)?, &offers).await?;
    let (writer, written) = Writer::create(&plan.shop)?;
    let began_at = OffsetDateTime::now_utc() - Duration::from_nanos(meter.now());
    Ok((Shop { http, edges, offers, sale, writer, meter: meter.clone(), began_at }, written))
}

fn nodes(topology: &Topology) -> anyhow::Result<Vec<(String, String, InventoryClient)>> {
    let of = topology.processes.iter().filter(|process| process.kind == ProcessKind::Inventory);
    let client = |process: &Process| {
        let alone = Topology { processes: vec![process.clone()], ..topology.clone() };
        Ok((process.name.clone(), process.http.clone(), audit::inventory(&alone)?))
    };
    of.map(client).collect()
}

/// Comes back when it is told to, or never.
pub(super) async fn told(stop: &mut signal::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending().await
    }
}

async fn visits(shop: &Arc<Shop>, plan: &Plan, mut stop: signal::Receiver<bool>, progress: &ProgressBar) -> JoinSet<()> {
    let (mut all, places) = (JoinSet::new(), Arc::new(Semaphore::new(MOST_VISITS)));
    let come = offer(plan.rate, plan.time, |nth, due| {
        shop.meter.came(due);
        progress.set_position(shop.meter.now() / 1_000_000_000);
        let Ok(place) = places.clone().try_acquire_owned() else {
            let at = usize::try_from(nth).unwrap_or_default() % shop.edges.len();
            return shop.meter.shed(due, &shop.edges[at].1, "checkout");
        };
        let (shop, seed) = (shop.clone(), plan.seed ^ nth);
        all.spawn(async move {
            shop.visit(nth, due, seed).await;
            drop(place);
        });
    });
    tokio::select! {
        () = come => {}
        () = told(&mut stop) => {}
    }
    all
}

async fn deals(crew: &Arc<Crew>, meter: &Arc<Meter>, plan: &Plan, mut stop: signal::Receiver<bool>) -> JoinSet<()> {
    let mut all = JoinSet::new();
    let come = offer(plan.deals, plan.time, |nth, due| {
        meter.came(due);
        let Some(client) = crew.hire() else { return meter.shed(due, "all", "inventory") };
        let sku = crew.skus[usize::try_from(nth).unwrap_or_default() % crew.skus.len()].clone();
        let (deal, seed) = (Deal { crew: crew.clone(), meter: meter.clone(), client, sku, due }, !plan.seed ^ nth);
        all.spawn(deal.run(seed));
    });
    tokio::select! {
        () = come => {}
        () = told(&mut stop) => {}
    }
    all
}
