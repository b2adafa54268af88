//! The types that openraft is run with.

use std::fmt;

use openraft::{EntryPayload, alias};
use serde::{Deserialize, Serialize};

use crate::stock::{Entry, Outcome};

openraft::declare_raft_types!(
    /// One log entry is a batch of commands; its answer is one outcome for each.
    pub(crate) TypeConfig:
        D = Entry,
        R = Vec<Outcome>,
        Node = Peer,
);

/// Addresses of a member, as the membership in the log carries them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Peer {
    /// `host:port` of the client API.
    pub client: String,
    /// `host:port` of the Raft RPCs.
    pub raft: String,
    pub region: String,
}

pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
pub(crate) type LogEntry = alias::EntryOf<TypeConfig>;
pub(crate) type Membership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Payload = EntryPayload<Entry, u64, Peer>;

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of commands at {}", self.len(), self.time.0)
    }
}
