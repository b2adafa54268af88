//! What happens to an order after it was placed: parcels, refunds, and what operators do with it.

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, Money, OrderId, Quantity, ShopperId, Sku};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{Order, OrderStatus};

/// Units of a SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitsOf {
    pub sku: Sku,
    pub quantity: Quantity,
}

/// A parcel of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Parcel {
    /// Counts the parcels of the order from 1.
    pub number: u32,
    pub carrier: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    pub lines: Vec<UnitsOf>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub shipped_at: OffsetDateTime,
    #[serde(default, with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub delivered_at: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Under way; it is repeated until the provider has it.
    Pending,
    /// Given back, or let go of before it was taken.
    Done,
    /// No provider took the money, so an operator gives it back.
    ByHand,
    /// No money had been taken.
    NothingTaken,
}

/// Money that goes back to the shopper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refund {
    pub amount: Money,
    pub state: RefundState,
}

/// Who does something, and why. Part of each command.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlainCommand {
    /// Name of the operator, for the history; at most 100 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// At most 500 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /admin/v1/orders/{id}/pay`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PayCommand {
    /// The bank's or provider's name for the payment; at most 200 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Which warehouse gives what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UnitsFrom {
    pub sku: Sku,
    pub quantity: Quantity,
    pub location: LocationId,
}

/// `POST /admin/v1/orders/{id}/allocate`. Without lines: as the inventory took the units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AllocateCommand {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<UnitsFrom>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /admin/v1/orders/{id}/ship`, with an `Idempotency-Key`: a parcel leaves. Without lines: all that is left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShipCommand {
    /// 1 to 60 bytes.
    pub carrier: String,
    /// At most 100 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<UnitsOf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Shipped units that come back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnLine {
    pub sku: Sku,
    pub quantity: Quantity,
    /// They may be sold again.
    pub restock: bool,
    /// The warehouse they came back to; without: the one that gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationId>,
}

/// `POST /admin/v1/orders/{id}/return`, with an `Idempotency-Key`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReturnCommand {
    pub lines: Vec<ReturnLine>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// `POST /v1/orders/{id}/cancel`, by the shopper.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelRequest {
    /// At most 500 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One entry of an order's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryEntry {
    /// Counts what was done with the order; 1 is the placing.
    pub version: i32,
    /// Where the order stood after it.
    pub status: OrderStatus,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What was done, with its quantities.
    #[schema(value_type = Object)]
    pub change: serde_json::Value,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub at: OffsetDateTime,
}

/// Something that a transition brings about elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EffectState {
    /// `restock` or `refund`.
    pub kind: String,
    /// Version of the order that wanted it.
    pub version: i32,
    pub is_done: bool,
    pub attempts: i32,
    /// Why it is not done yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// `GET /admin/v1/orders/{id}`, and the answer of every command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderDetail {
    pub order: Order,
    pub shopper_id: ShopperId,
    pub version: i32,
    pub is_paid: bool,
    /// Commands that may be sent now.
    pub allowed: Vec<String>,
    pub history: Vec<HistoryEntry>,
    pub effects: Vec<EffectState>,
}

/// One row of `GET /admin/v1/orders?status=&limit=&cursor=`, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderSummary {
    pub id: OrderId,
    pub status: OrderStatus,
    pub version: i32,
    pub shopper_id: ShopperId,
    pub total: Money,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub placed_at: OffsetDateTime,
}
