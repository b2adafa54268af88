//! The first start: a catalog is imported and its stock received. Each step may run twice; a second one changes nothing.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use inventory_api::{BatchRequest, CommandRequest, Consistency, OutcomeCode, ReceiveRequest};
use serde::Deserialize;
use storefront_types::{CallContext, CommandId, LocationId, Quantity, Sku};
use uuid::Uuid;

use crate::supervisor::Supervisor;

/// Commands of one request while receiving.
const BATCH: usize = 500;

/// Products of the demo catalog.
const DEMO_PRODUCTS: &str = "300";

#[derive(Deserialize)]
struct Planned {
    sku: Sku,
    quantity: u32,
}

/// Does nothing when it was done before.
pub fn seed(supervisor: &Supervisor, files: &[PathBuf]) -> anyhow::Result<()> {
    let done = supervisor.place().data_of("seeded");
    if done.exists() && files.is_empty() {
        return Ok(());
    }
    let stock = supervisor.place().data_of("stock.jsonl");
    if files.is_empty() {
        let demo = supervisor.place().data_of("demo.csv");
        let mut generate = Command::new(supervisor.programs().path("catalog"));
        generate.args(["generate", "--products", DEMO_PRODUCTS, "--out"]).arg(&demo);
        ensure!(generate.status()?.success(), "the demo catalog could not be made");
        import(supervisor, &[demo], &stock)?;
    } else {
        import(supervisor, files, &stock)?;
    }
    receive(supervisor, &stock, done.exists())?;
    fs::write(done, "")?;
    Ok(())
}

fn import(supervisor: &Supervisor, files: &[PathBuf], stock: &Path) -> anyhow::Result<()> {
    let url = supervisor.topology().databases.get("catalog").cloned().context("no database of the catalog")?;
    let mut command = Command::new(supervisor.programs().path("catalog"));
    command.arg("import").args(files).arg("--stock-out").arg(stock).env("DATABASE_URL", url).stdout(Stdio::piped());
    let output = command.spawn()?.wait_with_output()?;
    // 2: some rows were refused, and are listed.
    ensure!(matches!(output.status.code(), Some(0 | 2)), "the catalog could not be imported");
    if output.status.code() == Some(2) {
        println!("{}", String::from_utf8_lossy(&output.stdout));
    }
    Ok(())
}

/// Receives what the export says is in stock, spread over the locations. `again`: stock was received before, so a SKU that the
/// inventory knows is left alone; its count is the inventory's own by now.
fn receive(supervisor: &Supervisor, stock: &Path, again: bool) -> anyhow::Result<()> {
    let lines: Vec<String> = BufReader::new(fs::File::open(stock)?).lines().collect::<Result<_, _>>()?;
    let progress = ProgressBar::new(lines.len() as u64);
    progress.set_style(ProgressStyle::with_template("{spinner} {msg:24} {pos}/{len} {bar:30}")?);
    progress.set_message("receiving stock");
    let client = chaos::audit::inventory(&supervisor.topology())?;
    let context = CallContext::background(Uuid::new_v4());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut commands = Vec::new();
    for line in &lines {
        let planned: Planned = serde_json::from_str(line).context("the stock plan is damaged")?;
        progress.inc(1);
        if again && runtime.block_on(client.stock(&context, &planned.sku, Consistency::Linearizable))?.is_some() {
            continue;
        }
        commands.extend(receipts(supervisor, &planned)?);
    }
    for batch in commands.chunks(BATCH) {
        let request = BatchRequest { commands: batch.to_vec() };
        let outcomes = runtime.block_on(client.batch(&context, &request)).context("stock could not be received")?;
        if let Some(refused) = outcomes.iter().find(|outcome| outcome.outcome != OutcomeCode::Ok) {
            anyhow::bail!("the inventory refused a receipt: {:?} for {}", refused.outcome, refused.id);
        }
    }
    progress.finish_and_clear();
    Ok(())
}

fn receipts(supervisor: &Supervisor, planned: &Planned) -> anyhow::Result<Vec<CommandRequest>> {
    let locations = supervisor.locations();
    let count = u32::try_from(locations.len())?;
    let mut receipts = Vec::new();
    for (nth, location) in (0_u32..).zip(locations) {
        let units = planned.quantity / count + u32::from(nth < planned.quantity % count);
        let Ok(quantity) = Quantity::new(units) else { continue };
        let location: LocationId = location.parse()?;
        let id = CommandId::new(receipt_id(&supervisor.secrets().topology_id, &planned.sku, &location, units));
        receipts.push(CommandRequest::Receive(ReceiveRequest { id, sku: planned.sku.clone(), location, quantity }));
    }
    Ok(receipts)
}

/// UUIDv8 of what is received: a second run names the same command.
fn receipt_id(topology: &str, sku: &Sku, location: &LocationId, units: u32) -> Uuid {
    let name = format!("{topology}/{sku}/{location}/{units}");
    let mut halves = [0xcbf2_9ce4_8422_2325_u64, 0x9e37_79b9_7f4a_7c15];
    for (at, byte) in name.bytes().enumerate() {
        let half = &mut halves[at % 2];
        *half = (*half ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3).rotate_left(5);
    }
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&halves[0].to_be_bytes());
    bytes[8..].copy_from_slice(&halves[1].to_be_bytes());
    Uuid::new_v8(bytes)
}
