//! `cargo deploy bench audit`: as many orders in both stores as asked for, and how long `chaos audit` takes to compare them.

use std::{path::Path, process::Command};

use anyhow::{Context, ensure};
use backing_servers::{Postgres, ensure_installed, free_port};
use deploy_api::{Process, ProcessKind, Topology};
use inventory_api::{
    BatchRequest, ClientError, CommandRequest, InventoryClient, LineRequest, MAX_BATCH_COMMANDS, OutcomeCode, PurchaseRequest,
    ReceiveRequest,
};
use serde::Deserialize;
use storefront_types::{CallContext, CommandId, Quantity, ReservationId, Sku};
use uuid::Uuid;

use super::{figures::Figure, nodes::Nodes};
use crate::build::Programs;

const SKUS: u64 = 1_000;

const NAME: &str = "audit";

/// Of the throw-away PostgreSQL.
const PASSWORD: &str = "bench";

/// A busy machine may not answer a batch within the client's five seconds.
const ATTEMPTS: u32 = 20;

/// Spreads ids as those of real orders are: 2^32 divided by the golden ratio.
const SPREAD: u64 = 2_654_435_761;

/// What the audit says for programs.
#[derive(Deserialize)]
struct Told {
    orders: u64,
    reservations: u64,
    differences: Vec<serde_json::Value>,
    took_ms: u64,
    peak_memory_kib: u64,
}

/// The id of the nth order, the same as SQL makes below.
fn order_id(nth: u64) -> Uuid {
    let spread = (nth * SPREAD) % (1 << 32);
    Uuid::from_u128((u128::from(spread) << 96) | (0x8000_8000 << 48) | u128::from(nth))
}

/// Two lines an order.
fn skus(nth: u64) -> anyhow::Result<[Sku; 2]> {
    Ok([Sku::parse(&format!("bench-{}", nth % SKUS))?, Sku::parse(&format!("other-{}", nth % SKUS))?])
}

fn sql(orders: u64) -> String {
    format!(
        "create temporary table made as
             select n, (lpad(to_hex((n * {SPREAD}) % 4294967296), 8, '0') || '-0000-8000-8000-' || lpad(to_hex(n), 12, '0'))::uuid as id
             from generate_series(0::bigint, {orders} - 1) n;
         insert into shop_order (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
             select id, id, n::text, '\\x00', 300, 'EUR', '{{}}', now() from made;
         insert into order_item (order_id, position, sku, quantity, unit_amount, placed_at)
             select id, 1, 'bench-' || n % {SKUS}, 1, 100, now() from made
             union all select id, 2, 'other-' || n % {SKUS}, 1, 200, now() from made;
         analyze shop_order, order_item;"
    )
}

/// Asks again while nobody knows what came of it: commands have names, and a second time changes nothing.
async fn until_known<T>(mut ask: impl AsyncFnMut() -> Result<T, ClientError>) -> anyhow::Result<T> {
    let mut left = ATTEMPTS;
    loop {
        match ask().await {
            Err(ClientError::NotExecuted { .. } | ClientError::OutcomeUnknown { .. }) if left > 1 => left -= 1,
            other => return Ok(other?),
        }
    }
}

async fn batch(client: &InventoryClient, commands: Vec<CommandRequest>) -> anyhow::Result<()> {
    let (context, request) = (CallContext::background(Uuid::new_v4()), BatchRequest { commands });
    let outcomes = until_known(async || client.batch(&context, &request).await).await?;
    let refused = outcomes.iter().find(|outcome| outcome.outcome != OutcomeCode::Ok);
    ensure!(refused.is_none(), "the inventory refused: {refused:?}");
    Ok(())
}

async fn fill_inventory(client: &InventoryClient, orders: u64, say: &impl Fn(String)) -> anyhow::Result<()> {
    let enough = Quantity::new(u32::try_from(orders)?)?;
    for nth in 0..SKUS {
        let receive = |sku: Sku| -> anyhow::Result<CommandRequest> {
            let id = CommandId::new(Uuid::now_v7());
            Ok(CommandRequest::Receive(ReceiveRequest { id, sku, location: "eu-1".parse()?, quantity: enough }))
        };
        batch(client, skus(nth)?.into_iter().map(receive).collect::<anyhow::Result<_>>()?).await?;
    }
    let context = CallContext::background(Uuid::new_v4());
    let at_once = u64::try_from(MAX_BATCH_COMMANDS)?;
    for from in (0..orders).step_by(MAX_BATCH_COMMANDS) {
        say(format!("filling the inventory: {from} orders"));
        let ids = from..(from + at_once).min(orders);
        let mut purchases = Vec::new();
        for nth in ids.clone() {
            let line = |sku| -> anyhow::Result<LineRequest> {
                Ok(LineRequest { sku, quantity: Quantity::new(1)?, locations: Vec::new(), may_split: true })
            };
            let lines = skus(nth)?.into_iter().map(line).collect::<anyhow::Result<_>>()?;
            purchases.push(CommandRequest::Purchase(PurchaseRequest {
                id: ReservationId::new(order_id(nth)),
                lines,
                memo: None,
            }));
        }
        batch(client, purchases).await?;
        let recorded: Vec<_> = ids.map(|nth| ReservationId::new(order_id(nth))).collect();
        until_known(async || client.acknowledge(&context, recorded.clone()).await).await?;
    }
    Ok(())
}

/// The schema is the service's own: its reconciler, with nothing to do, brings it.
fn fill_postgres(programs: &Programs, port: u16, url: &str, inventory: &str, orders: u64) -> anyhow::Result<()> {
    let mut reconcile = Command::new(programs.path("orders"));
    reconcile.args(["reconcile", "--inventory", inventory, "--inventory-plaintext"]).env("DATABASE_URL", url);
    let output = reconcile.output()?;
    ensure!(output.status.success(), "no schema: {}", String::from_utf8_lossy(&output.stderr));
    Postgres::query(port, PASSWORD, &sql(orders))?;
    Ok(())
}

fn audit(programs: &Programs, topology: &Topology, file: &Path) -> anyhow::Result<Told> {
    std::fs::write(file, serde_json::to_vec(topology)?)?;
    let output = Command::new(programs.path("chaos")).args(["audit", "--output", "json", "--topology"]).arg(file).output()?;
    serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

pub(super) async fn run(
    programs: &Programs,
    nodes: &Nodes,
    directory: &Path,
    orders: u64,
    say: impl Fn(String),
) -> anyhow::Result<Vec<Figure>> {
    ensure_installed(|text| eprintln!("{text}"))?;
    let addresses: Vec<String> = nodes.nodes.iter().map(|node| node.client.clone()).collect();
    fill_inventory(&InventoryClient::new(addresses.clone()), orders, &say).await?;
    say("filling PostgreSQL".to_owned());
    // Below /var/tmp, where PostgreSQL's own user can reach it.
    let data = Path::new("/var/tmp").join(format!("storefront-bench-audit-{}", std::process::id()));
    let mut postgres = Postgres::start(&data, free_port()?, PASSWORD, &directory.join("postgres.log"))?;
    let url = postgres.url(PASSWORD, "postgres");
    let process = |address: &String| Process {
        name: address.clone(),
        kind: ProcessKind::Inventory,
        region: "eu".to_owned(),
        pid: None,
        http: address.clone(),
        admin: None,
        data_dir: None,
    };
    let topology = Topology {
        name: NAME.to_owned(),
        supervisor_pid: std::process::id(),
        supervisor_started: 0,
        processes: addresses.iter().map(process).collect(),
        links: Vec::new(),
        databases: std::collections::BTreeMap::from([("orders".to_owned(), url.clone())]),
        inventory_tls: None,
    };
    let filled = fill_postgres(programs, postgres.port, &url, &addresses.join(","), orders);
    say("comparing".to_owned());
    let told = filled.and_then(|()| audit(programs, &topology, &directory.join("topology.json")));
    postgres.child.kill()?;
    postgres.child.wait()?;
    std::fs::remove_dir_all(&data)?;
    let told = told?;
    ensure!(told.differences.is_empty(), "equal stores differ: {:?}", told.differences.first());
    ensure!(told.orders == orders && told.reservations == orders, "{} orders, {} reservations", told.orders, told.reservations);
    let figure = |figure: &'static str, value: f64, unit: &'static str| Figure::new(NAME, figure, value, unit);
    Ok(vec![
        figure("orders in both stores", orders as f64, ""),
        figure("time of the audit", told.took_ms as f64 / 1e3, "s").at_most(60.0),
        figure("most memory of the audit", (told.peak_memory_kib as f64 / 1024.0).round(), "MiB"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_what_sql_makes_of_the_same_numbers() {
        assert_eq!(order_id(0).to_string(), "00000000-0000-8000-8000-000000000000");
        assert_eq!(order_id(3).to_string(), "daa66d13-0000-8000-8000-000000000003");
    }
}
