//! Answers of reads.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, ReservationId, Sku};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::command::Allocation;

/// Stock of one SKU at one location. `0 <= reserved <= on_hand`, `available = on_hand - reserved`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockAt {
    pub location: LocationId,
    pub on_hand: u64,
    pub reserved: u64,
    pub available: u64,
}

/// Everything that ever went in and out: `received + adjusted - sold = on_hand` over all locations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockTotals {
    pub received: u64,
    pub adjusted: i64,
    pub sold: u64,
    /// Units that counts found missing and that are promised to somebody: stock to find or orders to call off.
    #[serde(default)]
    pub short: u64,
}

/// `GET /v1/stock/{sku}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Stock {
    pub sku: Sku,
    /// Dense: 1, 2, 3, ... one for each change of the SKU's stock.
    pub version: u64,
    pub locations: Vec<StockAt>,
    pub totals: StockTotals,
    /// Index of the last log entry the answer reflects.
    pub log_index: u64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub as_of: OffsetDateTime,
}

impl Stock {
    pub fn available(&self) -> u64 {
        self.locations.iter().map(|at| at.available).sum()
    }

    pub fn on_hand(&self) -> u64 {
        self.locations.iter().map(|at| at.on_hand).sum()
    }

    pub fn reserved(&self) -> u64 {
        self.locations.iter().map(|at| at.reserved).sum()
    }
}

/// `GET /v1/stock?limit=&cursor=&consistency=`: many SKUs in order of name; a local read unless asked for a linearizable one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StockPage {
    pub items: Vec<Stock>,
    pub next_cursor: Option<String>,
    /// Give it to `GET /v1/changes?after=` to follow on from this page without a gap. Take the first page's.
    pub changes_token: String,
}

/// One line of `GET /v1/changes`: the SKU's stock after a change (several changes of one SKU may be merged into one line).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum StockChange {
    Stock {
        /// Resume after this line with `?after=`.
        token: String,
        sku: Sku,
        version: u64,
        on_hand: u64,
        reserved: u64,
        available: u64,
        #[serde(with = "time::serde::rfc3339")]
        #[schema(value_type = String, format = DateTime)]
        as_of: OffsetDateTime,
    },
    /// Nothing changed for a while; the stream is alive and the token still good.
    Heartbeat {
        token: String,
        /// All changes up to then were told. It stands still at a node that does not hear its leader.
        #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>, format = DateTime)]
        as_of: Option<OffsetDateTime>,
    },
    /// The token asked for is older than the oldest kept. Read `GET /v1/stock` and start from its token.
    Compacted { oldest: String },
}

/// Where a reservation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReservationState {
    /// Held, not yet promised.
    Reserved,
    /// Promised and taken from on-hand; the memo is still kept.
    Confirmed,
    /// Promised, and recorded elsewhere.
    Acknowledged,
    Released,
    Expired,
}

/// What changed a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    Reserved,
    Confirmed,
    Purchased,
    Extended,
    Released,
    Expired,
    Acknowledged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationChange {
    pub change: ChangeKind,
    /// Version of each SKU after the change.
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    pub versions: BTreeMap<Sku, u64>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationLine {
    pub sku: Sku,
    pub quantity: u64,
    pub allocations: Vec<Allocation>,
}

/// `GET /v1/reservations/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reservation {
    pub id: ReservationId,
    pub state: ReservationState,
    pub lines: Vec<ReservationLine>,
    pub changes: Vec<ReservationChange>,
    /// Of an unconfirmed reservation.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    /// Kept until acknowledged, released or expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    Leader,
    Follower,
    Candidate,
    Learner,
    Shutdown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberRole {
    Voter,
    Learner,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leader {
    pub id: u64,
    /// `host:port` of its client API.
    pub address: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    pub id: u64,
    /// `host:port` of its client API.
    pub address: String,
    /// Region it stands in.
    pub region: String,
    pub role: MemberRole,
}

/// `GET /v1/cluster`: this node's view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterView {
    pub cluster_id: String,
    pub node_id: u64,
    pub state: NodeState,
    pub term: u64,
    pub leader: Option<Leader>,
    pub members: Vec<Member>,
    pub last_log_index: u64,
    pub applied_index: u64,
}

impl ClusterView {
    pub fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.role == MemberRole::Voter)
    }
}
