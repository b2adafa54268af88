//! `chaos`: prove that nothing was oversold and nothing lost.

use std::{path::PathBuf, process::ExitCode};

use chaos::audit;
use clap::{Parser, Subcommand};
use deploy_api::{ProcessKind, Topology};
use inventory_api::InventoryClient;
use storefront_tls::InventoryTlsArgs;

/// Prove, from both stores, that nothing was oversold and no order was lost.
#[derive(Parser)]
#[command(name = "chaos", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the inventory's state with PostgreSQL, for every SKU and every order
    ///
    /// Exit codes: 0 both agree, 1 the audit could not run, 4 they differ; each difference is named.
    Audit {
        /// Name of a running topology
        #[arg(long, default_value = "default")]
        name: String,
        /// Its topology.json, if it lies elsewhere
        #[arg(long)]
        topology: Option<PathBuf>,
        /// Without any of these, what the topology says
        #[command(flatten)]
        inventory_tls: InventoryTlsArgs,
        #[arg(long)]
        output: Option<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Command::Audit { name, topology, inventory_tls, output } = Cli::parse().command;
    let topology = Topology::read(&topology.unwrap_or_else(|| audit::topology_file(&name)))?;
    let client = match inventory_tls.is_given() {
        true => InventoryClient::new(topology.http_of(ProcessKind::Inventory)).with_tls(inventory_tls.open()?.as_ref()),
        false => audit::inventory(&topology)?,
    };
    let books = audit::read_with(client, &topology).await?;
    let differences = chaos::check::conservation(&books);
    match output.as_deref() {
        Some("json") => {
            println!("{}", serde_json::json!({"skus": books.stock.len(), "orders": books.orders, "differences": differences}))
        }
        _ => {
            println!("{} SKUs, {} orders", books.stock.len(), books.orders);
            differences.iter().for_each(|difference| println!("{difference}"));
            println!("{}", if differences.is_empty() { "both stores agree" } else { "THE STORES DIFFER" });
        }
    }
    Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(4) })
}
