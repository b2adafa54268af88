//! The inventory cluster: a Raft-replicated stock ledger that cannot oversell.

mod background;
mod batcher;
mod clock;
mod config;
mod consensus;
mod http;
mod identity;
mod node;
mod read;
#[doc(hidden)]
pub mod simulation;
pub mod snapshots;
mod space;
pub mod stock;
mod store;
mod watch;

pub use config::{Config, PeerArg};
pub use http::openapi;
pub use node::{RaftListener, run};
