//! `fault-proxy`: links between processes, and what is wrong with them.

use clap::Parser;
use fault_proxy::{Args, run};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use storefront_service::{init_logging, shutdown_on_signal};

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    init_logging("fault-proxy", "links", "local");
    // A connection takes two descriptors, and the usual soft limit is 1,024.
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = shutdown_on_signal();
        run(args, async move { stop.cancelled().await }).await
    })
}
