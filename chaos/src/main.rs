//! `chaos`: prove that nothing was oversold and nothing lost.

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use deploy_api::Topology;

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
        #[arg(long)]
        output: Option<String>,
    },
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Command::Audit { name, topology, output } = Cli::parse().command;
    let file = topology.unwrap_or_else(|| chaos::audit::topology_file(&name));
    let books = chaos::audit::read(&Topology::read(&file)?).await?;
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
