//! Command line and environment.

use std::path::PathBuf;

use storefront_service::ListenArgs;
use storefront_tls::InventoryTlsArgs;
use storefront_types::Currency;

/// Products: serve them, import merchants' exports, generate a catalog of any size.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "catalog", version)]
pub struct Config {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Serve products over HTTP
    Serve(ServeArgs),
    /// Read product exports (Shopify CSV) into the database
    ///
    /// Exit codes: 0 all rows were taken, 1 the import could not run, 2 some rows were refused and are listed.
    Import(ImportArgs),
    /// Write a realistic catalog as a product export
    Generate(GenerateArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Region this process stands in
    #[arg(long, env = "REGION", default_value = "eu")]
    pub region: String,
    /// PostgreSQL URL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// host:port of the inventory nodes, separated by commas; without any, products show no stock
    #[arg(long, env = "INVENTORY", value_delimiter = ',')]
    pub inventory: Vec<String>,
    #[command(flatten)]
    pub inventory_tls: InventoryTlsArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    Table,
    Json,
}

#[derive(Clone, Debug, clap::Args)]
pub struct ImportArgs {
    /// Product exports as Shopify writes them, of either generation of column names
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// PostgreSQL URL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Say what would change, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Currency of the prices; exports do not name one
    #[arg(long, default_value = "USD")]
    pub currency: Currency,
    /// Also write each variant's quantity as JSON lines {"sku", "quantity"}, for receiving stock
    #[arg(long)]
    pub stock_out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

#[derive(Clone, Debug, clap::Args)]
pub struct GenerateArgs {
    /// Number of products
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=5_000_000))]
    pub products: u32,
    /// The same seed writes the same catalog
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A category tree: JSON list of {"id", "name", "path": [{"id", "name"}]}; without it, a small shop's own
    #[arg(long)]
    pub categories: Option<PathBuf>,
    /// File to write; without it, standard output
    #[arg(long)]
    pub out: Option<PathBuf>,
}
