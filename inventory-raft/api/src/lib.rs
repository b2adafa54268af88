//! The inventory cluster's HTTP contract: paths, bodies, answers, and a client that follows the leader.
//!
//! Owns: what goes over the wire between a client and an inventory node. Must not: know how stock is kept.

mod admin;
mod brief;
mod client;
mod command;
mod ledger;
mod query;

pub use admin::{
    AddLearnerRequest, Alarm, AlarmKind, Alarms, MarkResponse, MemberRequest, NodeStatus, StateHash, TransferLeaderRequest,
};
pub use brief::{LineBrief, MAX_BRIEFS, ReservationBrief, ReservationBriefs};
pub use client::{ClientError, DEFAULT_DEADLINE, InventoryClient, LeaderView};
pub use command::{
    AcknowledgeRequest, AdjustRequest, Allocation, BatchRequest, BatchResponse, CommandRequest, Consistency, CountRequest,
    EmptyRequest, ExtendRequest, LineRequest, MAX_BATCH_COMMANDS, MAX_LINES, MAX_MEMO_BYTES, MAX_TTL_MS, MIN_TTL_MS, MoveRequest,
    Outcome, OutcomeCode, OutcomeLine, PurchaseRequest, ReceiveRequest, Refusal, ReservationCommand, ReserveRequest,
};
pub use ledger::{Balance, LedgerPage, LevelChange, Movement, MovementKind};
pub use query::{
    ChangeKind, ClusterView, Leader, Member, MemberRole, NodeState, Reservation, ReservationChange, ReservationLine,
    ReservationState, Stock, StockAt, StockChange, StockPage, StockTotals,
};

/// Paths of the public inventory API, in the notation of the router.
pub mod paths {
    pub const RESERVATIONS: &str = "/v1/reservations";
    pub const RESERVATION_BRIEFS: &str = "/v1/reservation-briefs";
    pub const RESERVATION: &str = "/v1/reservations/{id}";
    pub const CONFIRM: &str = "/v1/reservations/{id}/confirm";
    pub const RELEASE: &str = "/v1/reservations/{id}/release";
    pub const EXTEND: &str = "/v1/reservations/{id}/extend";
    pub const ACKNOWLEDGE: &str = "/v1/reservations/acknowledge";
    pub const PURCHASES: &str = "/v1/purchases";
    pub const RECEIVE: &str = "/v1/stock/receive";
    pub const ADJUST: &str = "/v1/stock/adjust";
    pub const MOVE: &str = "/v1/stock/move";
    pub const STOCK_LIST: &str = "/v1/stock";
    pub const STOCK: &str = "/v1/stock/{sku}";
    pub const LEDGER: &str = "/v1/ledger/{sku}";
    pub const COUNT: &str = "/v1/stock/count";
    pub const BATCH: &str = "/v1/batch";
    pub const CHANGES: &str = "/v1/changes";
    pub const CLUSTER: &str = "/v1/cluster";

    /// Of operators; served on the same port.
    pub mod admin {
        pub const STATUS: &str = "/admin/v1/status";
        pub const ALARMS: &str = "/admin/v1/alarms";
        pub const MEMBERS: &str = "/admin/v1/members";
        pub const PROMOTE: &str = "/admin/v1/members/promote";
        pub const DEMOTE: &str = "/admin/v1/members/demote";
        pub const REMOVE: &str = "/admin/v1/members/remove";
        pub const TRANSFER_LEADER: &str = "/admin/v1/transfer-leader";
        pub const SNAPSHOT: &str = "/admin/v1/snapshot";
        pub const STATE_HASH: &str = "/admin/v1/state-hash";
        pub const MARK: &str = "/admin/v1/state-hash/mark";
    }
}

/// Address (`host:port`) of the leader, on every `421` and, where it is known, on every answer.
pub const LEADER_HEADER: &str = "inventory-leader";

/// Term of that leader, a decimal number. A view with a higher term replaces one with a lower.
pub const TERM_HEADER: &str = "inventory-term";
