//! What clients and nodes say to each other.

use inventory_raft::stock::{Command, Outcome, SkuStock};
use serde::{Deserialize, Serialize};
use storefront_types::Sku;

/// Ports of every node.
pub(crate) const RPC_PORT: u16 = 9_000;
pub(crate) const STREAM_PORT: u16 = 9_001;
pub(crate) const CLIENT_PORT: u16 = 9_002;

/// Room for a datagram: an entry of this workload stays far below.
pub(crate) const DATAGRAM_BYTES: usize = 256 * 1024;

pub(crate) fn host(node: u64) -> String {
    format!("n{node}")
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Change {
    AddLearner(u64),
    Promote(u64),
    Demote(u64),
    Remove(u64),
    TransferLeader(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ask {
    Submit(Vec<Command>),
    /// The stock of a SKU: as of now, or as this node has it.
    Read {
        sku: Sku,
        linearizable: bool,
    },
    Change(Change),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Reply {
    Outcomes(Vec<Outcome>),
    Stock(Option<SkuStock>),
    Changed(Result<(), String>),
    /// Certainly nothing happened; perhaps this node leads.
    Refused {
        leader: Option<u64>,
    },
    /// Perhaps it happened.
    Unknown,
}
