//! `orders`: serve, or do one thing and tell what came of it.

use std::process::ExitCode;

use clap::Parser;
use orders::{Command, Config, outbox_tool, run_once, serve, serve_sandbox};
use storefront_service::{init_logging, shutdown_on_signal};

/// A checkout makes and drops many small values on every core, as a purchase does in the inventory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Config::parse().command {
        Command::Serve(args) => {
            init_logging("orders", args.region.as_str(), args.region.as_str());
            let listeners = args.listen.bind().await?;
            serve(*args, listeners, shutdown_on_signal()).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::PaymentSandbox(args) => {
            init_logging("payment-sandbox", "sandbox", "sandbox");
            let listeners = args.listen.bind().await?;
            serve_sandbox(args, listeners, shutdown_on_signal()).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Reconcile(args) => run_once(args).await,
        Command::Outbox(args) => outbox_tool(args).await.map(|()| ExitCode::SUCCESS),
    }
}
