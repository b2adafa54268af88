//! `inventory-raft`: one node of the inventory cluster.

use clap::Parser;
use inventory_raft::{Config, RaftListener, run};
use storefront_service::{init_logging, shutdown_on_signal};

/// The ledger makes and drops many small values on every core; glibc's allocator took a quarter of a loaded leader's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    let config = Config::parse();
    init_logging("inventory-raft", &config.node_id.to_string(), &config.region);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(config.worker_threads()).enable_all().build()?;
    runtime.block_on(async {
        let (listeners, raft) = (config.listen.bind().await?, RaftListener::bind(&config).await?);
        run(config, listeners, raft, shutdown_on_signal()).await
    })
}
