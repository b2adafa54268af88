//! What goes over the wire between the adapter and the sandbox provider, and into its file.

use serde::{Deserialize, Serialize};
use storefront_types::{Money, OrderId};
use uuid::Uuid;

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AuthoriseRequest {
    pub(super) order_id: OrderId,
    pub(super) amount: Money,
    pub(super) method: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RefundRequest {
    pub(super) id: Uuid,
    pub(super) amount: Money,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Stage {
    Pending,
    Authorised,
    Captured,
    Voided,
    Declined,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refund {
    pub(super) id: Uuid,
    pub(super) amount: Money,
}

/// One payment of one order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Payment {
    pub(super) order_id: OrderId,
    pub(super) reference: String,
    pub(super) amount: Money,
    pub(super) method: String,
    pub(super) stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(default)]
    pub(super) refunds: Vec<Refund>,
    pub(super) made_at_ms: i64,
    /// How often it was asked for.
    pub(super) asks: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PaymentsPage {
    pub(super) items: Vec<Payment>,
    pub(super) next_cursor: Option<String>,
}
