//! `/admin/v1`: what operators ask, and what they are told.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Leader, NodeState};

/// `GET /admin/v1/status`: one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeStatus {
    pub node_id: u64,
    pub cluster_id: String,
    pub region: String,
    pub version: String,
    pub state: NodeState,
    pub term: u64,
    pub leader: Option<Leader>,
    pub last_log_index: u64,
    pub applied_index: u64,
    /// Last entry in the newest snapshot; 0 before the first.
    pub snapshot_index: u64,
    /// Last entry that is no more in the log; 0 when all is there.
    pub purged_index: u64,
    /// Bytes of the data directory.
    pub data_bytes: u64,
    /// Bytes free on its disk.
    pub free_bytes: u64,
    pub alarms: Vec<Alarm>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// New reservations are refused; confirm and release are served.
    NoSpace,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alarm {
    pub alarm: AlarmKind,
    pub node_id: u64,
    pub detail: String,
}

/// `GET /admin/v1/alarms`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alarms {
    pub items: Vec<Alarm>,
}

/// `POST /admin/v1/members`: a node joins as a learner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddLearnerRequest {
    /// Never used by any node of this cluster before.
    pub id: u64,
    pub region: String,
    /// `host:port` of its client API.
    pub client: String,
    /// `host:port` of its Raft RPCs.
    pub raft: String,
}

/// `POST /admin/v1/members/promote`, `/demote` and `/remove`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRequest {
    pub id: u64,
}

/// `POST /admin/v1/transfer-leader`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TransferLeaderRequest {
    pub to: u64,
}

/// `POST /admin/v1/state-hash/mark`: where every node hashes its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MarkResponse {
    pub index: u64,
}

/// `GET /admin/v1/state-hash`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateHash {
    pub node_id: u64,
    pub applied_index: u64,
    /// BLAKE3 over all records; equal on every node at the same index.
    pub hash: String,
}
