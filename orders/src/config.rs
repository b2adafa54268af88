//! Command line and environment.

use std::{path::PathBuf, time::Duration};

use storefront_service::ListenArgs;
use storefront_tls::InventoryTlsArgs;
use storefront_types::Region;

use crate::outbox::{EventArgs, OutboxArgs};
use crate::payment::{PaymentArgs, sandbox::SandboxArgs};

/// Accounts, carts, checkouts and order history.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "orders", version)]
pub struct Config {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Serve one region
    Serve(Box<ServeArgs>),
    /// Run the sandbox payment provider
    PaymentSandbox(SandboxArgs),
    /// Record, once, every accepted order that PostgreSQL does not have
    ///
    /// The services do so by themselves, all the time; this is for when none of them runs, or to see what is left. It may run beside them, and
    /// repeating it changes nothing.
    ///
    /// Exit codes: 0 every accepted order is recorded, 1 PostgreSQL or the inventory does not answer, 2 wrong usage, 4 confirmed reservations are
    /// left that are no orders, or that PostgreSQL refuses: `chaos audit` names them.
    Reconcile(ReconcileArgs),
    /// Look at events that a sink refused, send them again, or drop them
    Outbox(OutboxArgs),
}

#[derive(Clone, Debug, clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Region of this instance; sessions that begin here are at home here
    #[arg(long, env = "REGION")]
    pub region: Region,
    /// PostgreSQL URL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// URL of the region's Redis
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: String,
    /// host:port of the inventory nodes, separated by commas
    #[arg(long, env = "INVENTORY", value_delimiter = ',', required = true)]
    pub inventory: Vec<String>,
    #[command(flatten)]
    pub inventory_tls: InventoryTlsArgs,
    /// host:port of the catalog
    #[arg(long, env = "CATALOG")]
    pub catalog: String,
    /// File with the key that all regions sign checkout tickets with, at least 32 bytes
    #[arg(long, env = "INTERNAL_KEY_FILE")]
    pub internal_key_file: PathBuf,
    /// Oldest price in seconds that is sold at; the catalog says how old its prices are
    #[arg(long, env = "MAX_PRICE_AGE_S", default_value_t = 3600)]
    pub max_price_age_s: u64,
    /// How long an accepted order may wait for its record before the reconciler looks after it, in milliseconds
    #[arg(long, env = "RECONCILE_AFTER_MS", default_value_t = 3000)]
    pub reconcile_after_ms: u64,
    #[command(flatten)]
    pub payment: PaymentArgs,
    /// File with the token that /admin/v1/orders of the admin port asks for; without it, the environment's ADMIN_TOKEN; without either nobody
    /// gets in
    #[arg(long, env = "ADMIN_TOKEN_FILE")]
    pub admin_token_file: Option<PathBuf>,
    #[command(flatten)]
    pub events: EventArgs,
}

#[derive(Clone, Debug, clap::Args)]
pub struct ReconcileArgs {
    /// PostgreSQL URL
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// host:port of the inventory nodes, separated by commas
    #[arg(long, env = "INVENTORY", value_delimiter = ',', required = true)]
    pub inventory: Vec<String>,
    #[command(flatten)]
    pub inventory_tls: InventoryTlsArgs,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// How a command tells what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people
    Table,
    /// For programs: one object
    Json,
}

impl ServeArgs {
    pub(crate) fn max_price_age(&self) -> Duration {
        Duration::from_secs(self.max_price_age_s)
    }
}
