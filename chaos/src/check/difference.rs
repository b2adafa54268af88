//! What may be wrong between the inventory and PostgreSQL, each with a name of its own.

use inventory_api::ReservationState;
use serde::Serialize;
use uuid::Uuid;

/// Units of each SKU, in order of SKU, each SKU once.
pub type Lines = Vec<(String, u64)>;

/// One difference. Programs go by `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Difference {
    /// PostgreSQL has an order that the inventory must still remember, and it does not.
    OrderWithoutReservation {
        order: Uuid,
    },
    /// PostgreSQL has an order whose units the inventory did not promise, or gave back.
    OrderOfUnpromisedUnits {
        order: Uuid,
        state: ReservationState,
    },
    /// Accepted, and not recorded for longer than the reconciler needs.
    OrderNotRecorded {
        order: Uuid,
        waits_ms: u64,
    },
    /// The inventory was told that PostgreSQL has it, and PostgreSQL does not.
    OrderLost {
        order: Uuid,
    },
    /// The same order, with other units.
    OtherLines {
        order: Uuid,
        reserved: Lines,
        ordered: Lines,
    },
    OrderWithoutItems {
        order: Uuid,
    },
    ItemsWithoutOrder {
        order: Uuid,
    },
    /// A hold that should have ended by itself.
    HoldPastItsEnd {
        reservation: Uuid,
        overdue_ms: u64,
    },
    /// Units should come back into stock, and did not for longer than that takes.
    RestockPending {
        order: Uuid,
        sku: String,
        units: u64,
        waits_ms: u64,
    },
    /// More units came back of an order than it had.
    RestockedTooMuch {
        order: Uuid,
        sku: String,
        ordered: u64,
        restocked: u64,
    },
    /// What came in and went out does not make what is there.
    UnbalancedStock {
        sku: String,
        received: u64,
        adjusted: i64,
        sold: u64,
        on_hand: u64,
    },
    ReservedMoreThanOnHand {
        sku: String,
        reserved: u64,
        on_hand: u64,
    },
    /// Units are held that no open reservation owns, or the other way round.
    ReservedWithoutOwner {
        sku: String,
        reserved: u64,
        owned: u64,
    },
    /// The inventory sold other quantities than PostgreSQL has in orders and than wait to be recorded.
    SoldNotOrdered {
        sku: String,
        sold: u64,
        ordered: u64,
        waiting: u64,
    },
    UnknownSku {
        sku: String,
        ordered: u64,
    },
}

impl Difference {
    /// The name that programs see.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::OrderWithoutReservation { .. } => "order_without_reservation",
            Self::OrderOfUnpromisedUnits { .. } => "order_of_unpromised_units",
            Self::OrderNotRecorded { .. } => "order_not_recorded",
            Self::OrderLost { .. } => "order_lost",
            Self::OtherLines { .. } => "other_lines",
            Self::OrderWithoutItems { .. } => "order_without_items",
            Self::ItemsWithoutOrder { .. } => "items_without_order",
            Self::HoldPastItsEnd { .. } => "hold_past_its_end",
            Self::RestockPending { .. } => "restock_pending",
            Self::RestockedTooMuch { .. } => "restocked_too_much",
            Self::UnbalancedStock { .. } => "unbalanced_stock",
            Self::ReservedMoreThanOnHand { .. } => "reserved_more_than_on_hand",
            Self::ReservedWithoutOwner { .. } => "reserved_without_owner",
            Self::SoldNotOrdered { .. } => "sold_not_ordered",
            Self::UnknownSku { .. } => "unknown_sku",
        }
    }
}

fn units(lines: &Lines) -> String {
    lines.iter().map(|(sku, units)| format!("{units} x {sku}")).collect::<Vec<_>>().join(", ")
}

impl std::fmt::Display for Difference {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OrderWithoutReservation { order } => {
                write!(to, "order {order}: PostgreSQL has it, and the inventory promised nothing to it")
            }
            Self::OrderOfUnpromisedUnits { order, state } => {
                write!(to, "order {order}: PostgreSQL has it, and its reservation is {state:?}, not confirmed")
            }
            Self::OrderNotRecorded { order, waits_ms } => {
                write!(to, "order {order}: accepted {} s ago, and PostgreSQL does not have it", waits_ms / 1_000)
            }
            Self::OrderLost { order } => {
                write!(to, "order {order}: acknowledged as recorded, and PostgreSQL does not have it")
            }
            Self::OtherLines { order, reserved, ordered } => {
                write!(to, "order {order}: the inventory promised {}, PostgreSQL has {}", units(reserved), units(ordered))
            }
            Self::OrderWithoutItems { order } => write!(to, "order {order}: PostgreSQL has no items of it"),
            Self::ItemsWithoutOrder { order } => write!(to, "order {order}: PostgreSQL has its items and not the order"),
            Self::HoldPastItsEnd { reservation, overdue_ms } => {
                write!(to, "reservation {reservation}: still held, {} s after its end", overdue_ms / 1_000)
            }
            Self::RestockPending { order, sku, units, waits_ms } => {
                write!(to, "order {order}: {units} x {sku} should have come back into stock {} s ago", waits_ms / 1_000)
            }
            Self::RestockedTooMuch { order, sku, ordered, restocked } => {
                write!(to, "order {order}: {restocked} x {sku} came back into stock, {ordered} were ordered")
            }
            Self::UnbalancedStock { sku, received, adjusted, sold, on_hand } => {
                let balance = i128::from(*received) + i128::from(*adjusted) - i128::from(*sold);
                write!(to, "{sku}: {received} received + {adjusted} adjusted - {sold} sold is {balance}, on hand are {on_hand}")
            }
            Self::ReservedMoreThanOnHand { sku, reserved, on_hand } => {
                write!(to, "{sku}: {reserved} reserved of {on_hand} on hand")
            }
            Self::ReservedWithoutOwner { sku, reserved, owned } => {
                write!(to, "{sku}: {reserved} reserved, open reservations own {owned}")
            }
            Self::SoldNotOrdered { sku, sold, ordered, waiting } => {
                write!(to, "{sku}: {sold} sold, PostgreSQL has {ordered} in orders and {waiting} wait to be recorded")
            }
            Self::UnknownSku { sku, ordered } => write!(to, "{sku}: {ordered} in orders, and the inventory does not know it"),
        }
    }
}
