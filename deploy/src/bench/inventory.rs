//! `cargo deploy bench inventory`: three nodes alone with the load generator.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Bench,
    etcd::Etcd,
    nodes::Nodes,
    purchases::{buy_many, buy_one, read, receive},
    wire::Wire,
};

/// Concurrent callers.
const CALLERS: usize = 256;

/// SKUs that uniform purchases are spread over.
const SKUS: usize = 10_000;

/// Commands of one batch, and how many batches are under way at once.
const BATCH: usize = 1_000;
const BATCH_CALLERS: usize = 8;

/// A number below [`SKUS`]; a random id is as good as any generator.
fn any_sku() -> usize {
    let (random, _) = Uuid::new_v4().as_u64_pair();
    usize::try_from(random >> 40).unwrap_or_default() % SKUS
}

async fn connect(address: &str, callers: usize) -> anyhow::Result<Vec<Wire>> {
    let mut wires = Vec::with_capacity(callers);
    for _ in 0..callers {
        wires.push(Wire::open(address).await?);
    }
    Ok(wires)
}

/// Runs every workload of the inventory.
pub(super) async fn run(nodes: &Nodes, etcd: Option<&Etcd>, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let leader = nodes.nodes[nodes.leader().await?].client.clone();
    let mut setup = Wire::open(&leader).await?;
    for from in (0..SKUS).step_by(BATCH) {
        receive(&mut setup, from..from + BATCH, &["eu-1"]).await?;
    }
    let single = |sku: fn() -> usize| move |mut wire: Wire| async move || buy_one(&mut wire, sku()).await;
    for (name, callers, sku, workload) in [
        ("inventory/purchase-single-uniform", CALLERS, any_sku as fn() -> usize, "put"),
        ("inventory/purchase-single-hot", CALLERS, || 0, "hot"),
        ("inventory/purchase-one-caller", 1, any_sku, "put"),
        // What a purchase is: a unit less, if there is one.
        ("inventory/purchase-as-transaction", CALLERS, any_sku, "txn"),
    ] {
        let connected = async || Ok(connect(&leader, callers).await?.into_iter().map(single(sku)).collect());
        bench.measure_against(name, connected, etcd.map(|etcd| (etcd, workload, callers))).await?;
    }
    let many = |mut wire: Wire| async move || buy_many(&mut wire, (0..BATCH).map(|_| any_sku())).await;
    bench
        .measure("inventory/purchase-batch", async || Ok(connect(&leader, BATCH_CALLERS).await?.into_iter().map(many).collect()))
        .await?;
    let reader = |mut wire: Wire| async move || read(&mut wire, any_sku()).await;
    let connected = async || Ok(connect(&leader, CALLERS).await?.into_iter().map(reader).collect());
    bench.measure_against("inventory/read-linearizable", connected, etcd.map(|etcd| (etcd, "read", CALLERS))).await?;
    // The nodes settle: what a round left to do must not weigh on the next bench.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
}
