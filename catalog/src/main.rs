//! `catalog`: serve products, import them, generate them.

use std::process::ExitCode;

use catalog::{Command, Config, run_tool, serve};
use clap::Parser;
use storefront_service::{init_logging, shutdown_on_signal};

/// Answers are made of many small values.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Config::parse().command {
        Command::Serve(args) => {
            init_logging("catalog", "catalog", &args.region);
            let listeners = args.listen.bind().await?;
            serve(args, listeners, shutdown_on_signal()).await?;
            Ok(ExitCode::SUCCESS)
        }
        tool => Ok(ExitCode::from(run_tool(tool).await?)),
    }
}
