//! The ledger of a SKU: what moved its stock.

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, Sku};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::query::StockAt;

/// What a movement was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MovementKind {
    Received,
    Adjusted,
    Moved,
    Counted,
    Reserved,
    Purchased,
    Confirmed,
    Released,
    Expired,
}

/// What a movement added to the level at a location; below 0 what it took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LevelChange {
    pub location: LocationId,
    pub on_hand: i64,
    pub reserved: i64,
}

/// One change of a SKU's stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Movement {
    /// Of the SKU, after the movement. Movements follow each other without a gap.
    pub version: u64,
    /// On the log's own clock.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
    pub kind: MovementKind,
    /// Of the command, or of the reservation.
    pub id: Uuid,
    pub changes: Vec<LevelChange>,
    /// Units that a count found missing and that stayed on the books, because they are promised to somebody.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub short: u64,
}

fn is_zero(units: &u64) -> bool {
    *units == 0
}

/// The levels of a SKU at one of its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Balance {
    pub version: u64,
    pub locations: Vec<StockAt>,
}

/// `GET /v1/ledger/{sku}`: movements, oldest first. The opening balance and all movements make the closing balance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LedgerPage {
    pub sku: Sku,
    /// Before the first movement: all that is not listed, summed up. On the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Balance>,
    pub items: Vec<Movement>,
    /// After the last movement of the last page, however much follows meanwhile. On the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Balance>,
    pub next_cursor: Option<String>,
    /// Index of the last log entry the answer reflects.
    pub log_index: u64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub as_of: OffsetDateTime,
}
