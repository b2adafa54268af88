//! Clusters in a simulated world: the nodes run the Raft, the ledger, the batcher and the read rounds of production on disks, a network
//! and a clock that belong to the simulation. A run is a function of its seed.
//!
//! Owns: the weather, the workload and the checks. Must not: change what a node does; see `docs/simulation.md`.

mod check;
mod client;
mod dice;
mod disk;
mod entropy;
mod host;
mod operator;
mod plan;
mod run;
mod storm;
mod talk;
mod wire;
mod workload;
mod world;

pub use plan::Bug;
pub use run::{Options, Report, simulate};
