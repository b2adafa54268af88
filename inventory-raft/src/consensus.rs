//! Raft: the only place that knows openraft.
//!
//! Owns: the log, the vote, the replicated state machine, snapshots, and the talk between peers. Must not: decide about stock.

mod append_stream;
mod directories;
mod log_codec;
mod log_store;
mod marks;
mod members;
mod network;
mod node;
mod peer_gate;
mod persister;
mod placement;
mod settle;
mod silence;
mod simulated;
mod snapshot;
pub(crate) mod snapshot_file;
mod state_machine;
mod type_config;
mod vacancy;
mod view;

pub(crate) use directories::Directories;
pub(crate) use log_store::LogStore;
pub(crate) use members::MemberError;
pub(crate) use network::PeerServer;
pub(crate) use node::{Consensus, ConsensusConfig, ReadError, SubmitError};
pub(crate) use placement::Placement;
pub(crate) use settle::Settling;
pub(crate) use simulated::{last_vote, written};
pub(crate) use state_machine::SharedState;
pub(crate) use type_config::Peer;
pub(crate) use view::View;
