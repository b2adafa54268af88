//! Checkouts and orders.

use serde::{Deserialize, Serialize};
use storefront_types::{Money, OrderId, Sku};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{Parcel, Refund};

/// Where the parcel goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub name: String,
    pub line1: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line2: Option<String>,
    pub city: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    pub postal_code: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
}

/// `POST /v1/orders/checkout`, with an `Idempotency-Key` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckoutRequest {
    pub delivery_address: Address,
    /// The payment provider's id of a card or the like, e.g. `pm_card_visa`; `none` or left out in a shop without payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OrderStatus {
    /// Confirmed in the inventory's log, not yet recorded in PostgreSQL.
    Accepted,
    /// Recorded.
    Placed,
    Paid,
    /// It is known which warehouse gives what.
    Allocated,
    PartlyShipped,
    Shipped,
    /// All its parcels arrived.
    Delivered,
    /// Called off before anything was shipped.
    Cancelled,
    PartlyReturned,
    Returned,
}

impl OrderStatus {
    pub const ALL: [Self; 10] = [
        Self::Accepted,
        Self::Placed,
        Self::Paid,
        Self::Allocated,
        Self::PartlyShipped,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelled,
        Self::PartlyReturned,
        Self::Returned,
    ];

    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Placed => "placed",
            Self::Paid => "paid",
            Self::Allocated => "allocated",
            Self::PartlyShipped => "partly_shipped",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::PartlyReturned => "partly_returned",
            Self::Returned => "returned",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OrderLine {
    pub sku: Sku,
    pub quantity: u32,
    pub unit_price: Money,
    /// Units of it that were called off after others had been shipped; only where one order is asked for.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u32,
}

fn is_zero(units: &u32) -> bool {
    *units == 0
}

/// One order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Order {
    pub id: OrderId,
    pub status: OrderStatus,
    pub lines: Vec<OrderLine>,
    pub total: Money,
    pub delivery_address: Address,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub placed_at: OffsetDateTime,
    /// Of an order of which something was shipped; only where one order is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parcels: Vec<Parcel>,
    /// Only where one order is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<Refund>,
}

/// Where one's own checkout stands, for a client whose answer was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckoutState {
    /// The payment is under way, and stock is held, or may be held again where the hold ended meanwhile; the order is not yet accepted.
    Pending,
    Accepted,
    Placed,
    /// Refused, declined or given up; nothing is held.
    Rejected,
}

/// `GET /v1/orders/checkout/{idempotency key}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CheckoutStatus {
    pub state: CheckoutState,
    pub order_id: OrderId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
}

/// Answer of the home region: who the shopper is and what is in the cart, signed and short-lived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TicketResponse {
    pub ticket: String,
    /// It does not say for sure which cart is bought: that is found out with each attempt.
    #[serde(default)]
    pub copied: bool,
}

/// The cart was bought: empty it at home if it still has the ticket's version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleCartRequest {
    pub ticket: String,
}
