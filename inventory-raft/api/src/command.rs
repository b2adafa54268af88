//! Commands and their outcomes.

use serde::{Deserialize, Serialize};
use storefront_types::{CommandId, LocationId, Problem, Quantity, ReservationId, Sku};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Lines of one command. A cart of 100 different things is rare; 256 x about 200 bytes stay below the 128 KiB of a log entry.
pub const MAX_LINES: usize = 256;

/// Bytes of a memo: the order's own record, 4 KiB.
pub const MAX_MEMO_BYTES: usize = 4 * 1024;

/// Commands of one `POST /v1/batch`.
pub const MAX_BATCH_COMMANDS: usize = 1_024;

/// Shortest time to live of a reservation: below a second, a leader change expires it before it can be confirmed.
pub const MIN_TTL_MS: u64 = 1_000;

/// Longest time to live: a day. A shopper who needs longer has left.
pub const MAX_TTL_MS: u64 = 24 * 60 * 60 * 1_000;

fn yes() -> bool {
    true
}

/// How much of what, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LineRequest {
    pub sku: Sku,
    pub quantity: Quantity,
    /// Locations in order of preference; empty: any, in order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<LocationId>,
    /// Whether several locations may serve the line together. True unless said otherwise, because `available` is
    /// told as a sum and a refusal of what it shows would surprise.
    #[serde(default = "yes")]
    pub may_split: bool,
}

/// `POST /v1/reservations`: hold stock for `ttl_ms`, all lines or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReserveRequest {
    pub id: ReservationId,
    pub lines: Vec<LineRequest>,
    /// Milliseconds of log time until the hold ends by itself, [`MIN_TTL_MS`] to [`MAX_TTL_MS`].
    pub ttl_ms: u64,
    /// The owner's own record, opaque text of at most [`MAX_MEMO_BYTES`] bytes, kept until acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

/// `POST /v1/purchases`: reserve and confirm in one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseRequest {
    pub id: ReservationId,
    pub lines: Vec<LineRequest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

/// A command on one reservation inside a batch; over `POST /v1/reservations/{id}/confirm` the id is in the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReservationCommand {
    pub id: ReservationId,
}

/// An empty JSON object; also the body may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyRequest {}

/// `POST /v1/reservations/{id}/extend`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendRequest {
    /// New time to live in milliseconds, counted from when the command is applied.
    pub ttl_ms: u64,
}

/// `POST /v1/reservations/acknowledge`: these are recorded elsewhere, drop their memos.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// At most [`MAX_BATCH_COMMANDS`].
    pub ids: Vec<ReservationId>,
}

/// `POST /v1/stock/receive`: units arrive at a location. An unknown SKU or location becomes known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReceiveRequest {
    pub id: CommandId,
    pub sku: Sku,
    pub location: LocationId,
    pub quantity: Quantity,
}

/// `POST /v1/stock/adjust`: a count found more (positive) or less (negative) than was on hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AdjustRequest {
    pub id: CommandId,
    pub sku: Sku,
    pub location: LocationId,
    /// Units to add; not zero. What is reserved is not taken off: the rest is recorded as `short` in the totals, and the
    /// outcome's line says `requested` and `available`.
    pub quantity: i64,
}

/// `POST /v1/stock/move`: units go from one location to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveRequest {
    pub id: CommandId,
    pub sku: Sku,
    pub location: LocationId,
    pub to: LocationId,
    pub quantity: Quantity,
}

/// `POST /v1/stock/count`: somebody counted what lies at a location. An unknown SKU or location becomes known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CountRequest {
    pub id: CommandId,
    pub sku: Sku,
    pub location: LocationId,
    /// Units that were counted. Fewer than are reserved: those are kept and the rest is recorded as `short`.
    pub on_hand: u64,
    /// What was on the books when it was counted; refused as `stale_count` when they say something else by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<u64>,
}

/// One command of a batch, e.g. `{"command": "purchase", "id": ..., "lines": [...]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum CommandRequest {
    Reserve(ReserveRequest),
    Purchase(PurchaseRequest),
    Confirm(ReservationCommand),
    Release(ReservationCommand),
    Receive(ReceiveRequest),
    Adjust(AdjustRequest),
    Move(MoveRequest),
    Count(CountRequest),
}

/// `POST /v1/batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchRequest {
    /// 1 to [`MAX_BATCH_COMMANDS`], each decided on its own, in order.
    pub commands: Vec<CommandRequest>,
}

/// Answer of a batch: one outcome for each command, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BatchResponse {
    pub outcomes: Vec<Outcome>,
}

/// What became of a command. A refusal is an outcome, remembered like a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeCode {
    Ok,
    InsufficientStock,
    UnknownSku,
    UnknownLocation,
    NotFound,
    Expired,
    AlreadyConfirmed,
    AlreadyReleased,
    ConflictingDuplicate,
    IdTooOld,
    IdFromFuture,
    TooLarge,
    Overflow,
    StaleCount,
}

/// Units of one line at one location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Allocation {
    pub location: LocationId,
    pub quantity: u64,
}

/// One SKU of an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutcomeLine {
    pub sku: Sku,
    /// The SKU's version after the command (on a refusal: as it was looked at); 0 for an unknown SKU.
    pub version: u64,
    /// What was taken from where; empty on refusals.
    #[serde(default)]
    pub allocations: Vec<Allocation>,
    /// On `insufficient_stock`, and on an adjustment made in part: what was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<u64>,
    /// Beside `requested`: what the allowed locations could have given, or what was adjusted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub available: Option<u64>,
}

/// Answer of every command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcome {
    pub outcome: OutcomeCode,
    pub id: Uuid,
    #[serde(default)]
    pub lines: Vec<OutcomeLine>,
    /// When an unconfirmed reservation ends by itself.
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<OffsetDateTime>,
    /// The command had been decided before: this is its first answer again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

/// Body of a refused command: a problem document with the outcome and the id as members beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    #[serde(flatten)]
    pub problem: Problem,
    pub outcome: OutcomeCode,
    pub id: Uuid,
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// Reflects every command answered before the read began; answered by the leader.
    #[default]
    Linearizable,
    /// What this node has applied; the answer says its log index and age.
    Local,
}
