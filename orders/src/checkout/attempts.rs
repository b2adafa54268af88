//! The reservations of one order: the first, and those that followed when the one before ended by itself.

use inventory_api::{ClientError, InventoryClient, Reservation, ReservationState};
use storefront_types::{CallContext, OrderId};

use super::{MAX_ATTEMPTS, attempt_id};

/// The reservation that tells where an order stands. One read for almost every order; one more for each hold that a payment outlasted.
pub(crate) async fn newest_attempt(
    inventory: &InventoryClient,
    context: &CallContext,
    order: OrderId,
) -> Result<Option<Reservation>, ClientError> {
    let mut newest = None;
    for attempt in 0..MAX_ATTEMPTS {
        let found = inventory.reservation(context, attempt_id(order, attempt)).await?;
        let ended = found.as_ref().is_some_and(|found| found.state == ReservationState::Expired);
        newest = found.or(newest);
        if !ended {
            break;
        }
    }
    Ok(newest)
}
