//! What is published about an order: the data of each event, its name, and its JSON Schema.
//!
//! Owns: the shape of events, which is a contract: fields are added, never changed or removed; anything else is a new version beside the old one.
//! Must not: hold what names a person but the shopper's id. Addresses are asked for at `/admin/v1/orders/{id}`.

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, Money, OrderId, Region, ShopperId, Sku};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Line {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
    pub(crate) unit_price: Money,
}

/// Units of a SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Units {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
}

/// The cart that was bought: whoever keeps it empties it if it still has this version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct BoughtCart {
    pub(crate) home: Region,
    pub(crate) version: i64,
}

/// An order was accepted and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderPlaced {
    pub(crate) order_id: OrderId,
    pub(crate) shopper_id: ShopperId,
    pub(crate) lines: Vec<Line>,
    pub(crate) total: Money,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub(crate) placed_at: OffsetDateTime,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) cart: Option<BoughtCart>,
}

/// The order's money is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderPaid {
    pub(crate) order_id: OrderId,
    pub(crate) total: Money,
    /// The provider's name for the payment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reference: Option<String>,
}

/// Where units of a SKU lie that an order has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnitsAt {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
    pub(crate) location: LocationId,
}

/// It is known which warehouse gives what. Without lines the inventory had forgotten it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderAllocated {
    pub(crate) order_id: OrderId,
    pub(crate) lines: Vec<UnitsAt>,
}

/// A parcel left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderShipped {
    pub(crate) order_id: OrderId,
    /// Counts the parcels of the order from 1.
    pub(crate) parcel: u32,
    pub(crate) carrier: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tracking: Option<String>,
    pub(crate) lines: Vec<Units>,
    /// Nothing is left to ship.
    pub(crate) is_complete: bool,
}

/// A parcel arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderDelivered {
    pub(crate) order_id: OrderId,
    pub(crate) parcel: u32,
    /// All of the order arrived.
    pub(crate) is_complete: bool,
}

/// The order was called off before anything was shipped. All its units come back into stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderCancelled {
    pub(crate) order_id: OrderId,
    pub(crate) lines: Vec<Units>,
    /// What the shopper gets back, or is not charged.
    pub(crate) refund: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// What was not shipped was called off, of an order of which something was. These units come back into stock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderPartlyCancelled {
    pub(crate) order_id: OrderId,
    pub(crate) lines: Vec<Units>,
    /// What the shopper gets back for them.
    pub(crate) refund: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Units that came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ReturnedUnits {
    pub(crate) sku: Sku,
    pub(crate) quantity: u32,
    /// They are for sale again.
    pub(crate) restock: bool,
    /// Where they came back to, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) location: Option<LocationId>,
}

/// Shipped units came back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderReturned {
    pub(crate) order_id: OrderId,
    pub(crate) lines: Vec<ReturnedUnits>,
    pub(crate) refund: Money,
    /// All of the order came back.
    pub(crate) is_complete: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// Everything that is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OrderEvent {
    Placed(OrderPlaced),
    Paid(OrderPaid),
    Allocated(OrderAllocated),
    Shipped(OrderShipped),
    Delivered(OrderDelivered),
    Cancelled(OrderCancelled),
    PartlyCancelled(OrderPartlyCancelled),
    Returned(OrderReturned),
}

/// The `type` of an order that was placed.
pub(crate) const ORDER_PLACED: &str = "orders.order-placed.v1";

/// Every `type` there is; each has a schema of its name in orders/schemas/.
pub(crate) const KINDS: [&str; 8] = [
    ORDER_PLACED,
    "orders.order-paid.v1",
    "orders.order-allocated.v1",
    "orders.order-shipped.v1",
    "orders.order-delivered.v1",
    "orders.order-cancelled.v1",
    "orders.order-returned.v1",
    "orders.order-partly-cancelled.v1",
];

impl OrderEvent {
    /// The CloudEvents `type`; its last part is the version of the data's shape.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Placed(_) => ORDER_PLACED,
            Self::Paid(_) => KINDS[1],
            Self::Allocated(_) => KINDS[2],
            Self::Shipped(_) => KINDS[3],
            Self::Delivered(_) => KINDS[4],
            Self::Cancelled(_) => KINDS[5],
            Self::Returned(_) => KINDS[6],
            Self::PartlyCancelled(_) => KINDS[7],
        }
    }

    /// The event's data as JSON text.
    pub(crate) fn data(&self) -> serde_json::Result<String> {
        match self {
            Self::Placed(data) => serde_json::to_string(data),
            Self::Paid(data) => serde_json::to_string(data),
            Self::Allocated(data) => serde_json::to_string(data),
            Self::Shipped(data) => serde_json::to_string(data),
            Self::Delivered(data) => serde_json::to_string(data),
            Self::Cancelled(data) => serde_json::to_string(data),
            Self::PartlyCancelled(data) => serde_json::to_string(data),
            Self::Returned(data) => serde_json::to_string(data),
        }
    }
}
