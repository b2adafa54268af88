//! `chaos audit`: compare the inventory's state with PostgreSQL.

use std::{collections::BTreeMap, process::ExitCode, time::Duration, time::Instant};

use chaos::{
    audit,
    check::{Books, Difference},
};
use clap::Args;
use comfy_table::Table;
use deploy_api::{ProcessKind, Topology};
use indicatif::{ProgressBar, ProgressStyle};
use inventory_api::InventoryClient;
use storefront_tls::InventoryTlsArgs;

use super::{Output, VIOLATION, Where};

#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    at: Where,
    /// Without any of these, what the topology says
    #[command(flatten)]
    inventory_tls: InventoryTlsArgs,
    /// How long an accepted order may wait for its record, and a hold for its end, in seconds
    #[arg(long, default_value_t = audit::DEFAULT_GRACE.as_secs())]
    grace_s: u64,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Differences that people are shown; programs get all.
const SHOWN: usize = 100;

pub(crate) async fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    let topology: Topology = args.at.topology()?;
    let client = match args.inventory_tls.is_given() {
        true => InventoryClient::new(topology.http_of(ProcessKind::Inventory)).with_tls(args.inventory_tls.open()?.as_ref()),
        false => audit::inventory(&topology)?,
    };
    let progress = ProgressBar::new(0);
    progress.set_style(ProgressStyle::with_template("{spinner} {msg:24} {pos}/{len} {bar:30} {eta}")?);
    let began = Instant::now();
    let books = audit::read_with(client, &topology, Duration::from_secs(args.grace_s), &progress).await?;
    progress.finish_and_clear();
    let differences = chaos::check::conservation(&books);
    match args.output {
        Output::Json => print_json(&books, &differences, began.elapsed()),
        Output::Table => print_table(&books, &differences, began.elapsed()),
    }
    Ok(if differences.is_empty() && books.more == 0 { ExitCode::SUCCESS } else { ExitCode::from(VIOLATION) })
}

/// The most memory that this process ever had, in KiB.
fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn print_json(books: &Books, differences: &[Difference], took: Duration) {
    let report = serde_json::json!({
        "skus": books.stock.len(),
        "skus_moved_meanwhile": books.moved.len(),
        "orders": books.orders,
        "reservations": books.reservations,
        "differences": differences,
        "more_differences": books.more,
        "took_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "peak_memory_kib": peak_memory_kib(),
    });
    println!("{report}");
}

fn print_table(books: &Books, differences: &[Difference], took: Duration) {
    let (skus, moved) = (books.stock.len(), books.moved.len());
    println!("{skus} SKUs, {} orders, {} reservations in {:.1} s", books.orders, books.reservations, took.as_secs_f64());
    if moved > 0 {
        println!("the stock of {moved} SKUs changed meanwhile, so their sums were not compared");
    }
    if differences.is_empty() && books.more == 0 {
        return println!("both stores agree");
    }
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    differences.iter().for_each(|difference| *counts.entry(difference.kind()).or_default() += 1);
    let mut table = Table::new();
    table.set_header(["difference", "how many"]);
    for (kind, count) in &counts {
        table.add_row([kind.to_string(), count.to_string()]);
    }
    println!("THE STORES DIFFER\n{table}");
    differences.iter().take(SHOWN).for_each(|difference| println!("{difference}"));
    let hidden = (differences.len().saturating_sub(SHOWN)) as u64 + books.more;
    if hidden > 0 {
        println!("and {hidden} more; `--output json` has up to 10,000");
    }
}
