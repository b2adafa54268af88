//! The peer of `cargo deploy bench inventory --against etcd`: closed loops over etcd's own gRPC API.

mod api;
mod client;
mod load;

use clap::Parser;

// The client shares its processors with the members: what it does not use is theirs.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

// One thread: the client must not take turns with itself.
#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let round = load::run(load::Args::parse()).await?;
    println!("{}", serde_json::to_string(&round)?);
    Ok(())
}
