//! What others learn of a change. Pure.

use orders_api::OrderStatus;
use storefront_types::{Money, OrderId};

use super::life::{Change, Life};
use crate::outbox::{
    OrderAllocated, OrderCancelled, OrderDelivered, OrderEvent, OrderPaid, OrderPartlyCancelled, OrderReturned, OrderShipped,
    Units,
};

/// The event of a change. `life` is the order after it.
pub(crate) fn event_of(id: OrderId, total: Money, (life, change): (&Life, &Change), reason: Option<&str>) -> OrderEvent {
    let money = |amount: i64| Money::new(amount, total.currency());
    let reason = || reason.map(str::to_owned);
    match change {
        Change::Paid { reference } => OrderEvent::Paid(OrderPaid { order_id: id, total, reference: reference.clone() }),
        Change::Allocated { lines } => OrderEvent::Allocated(OrderAllocated { order_id: id, lines: lines.clone() }),
        Change::Shipped { parcel, carrier, tracking, lines } => OrderEvent::Shipped(OrderShipped {
            order_id: id,
            parcel: *parcel,
            carrier: carrier.clone(),
            tracking: tracking.clone(),
            lines: lines.clone(),
            is_complete: life.lines.iter().all(|line| line.left() == 0),
        }),
        Change::Delivered { parcel } => {
            let is_complete = life.status() == OrderStatus::Delivered;
            OrderEvent::Delivered(OrderDelivered { order_id: id, parcel: *parcel, is_complete })
        }
        Change::Cancelled { refund } => OrderEvent::Cancelled(OrderCancelled {
            order_id: id,
            lines: life.lines.iter().map(|line| Units { sku: line.sku.clone(), quantity: line.ordered }).collect(),
            refund: money(*refund),
            reason: reason(),
        }),
        Change::CancelledInPart { lines, refund } => OrderEvent::PartlyCancelled(OrderPartlyCancelled {
            order_id: id,
            lines: lines.clone(),
            refund: money(*refund),
            reason: reason(),
        }),
        Change::Returned { lines, refund } => OrderEvent::Returned(OrderReturned {
            order_id: id,
            lines: lines.clone(),
            refund: money(*refund),
            is_complete: life.status() == OrderStatus::Returned,
            reason: reason(),
        }),
    }
}
