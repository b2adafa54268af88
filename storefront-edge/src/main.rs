//! `storefront-edge`: one edge of one region.

use clap::Parser;
use storefront_edge::{Config, run};
use storefront_service::{init_logging, shutdown_on_signal};

/// Fewer locks and less scatter than the system's under many threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    init_logging("storefront-edge", config.region.as_str(), config.region.as_str());
    let listeners = config.listen.bind_shared().await?;
    run(config, listeners, shutdown_on_signal()).await
}
