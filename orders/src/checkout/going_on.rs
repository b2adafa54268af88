//! Whether a checkout whose hold ended by itself may still come to an order. Pure.

use std::time::Duration;

use inventory_api::{DEFAULT_DEADLINE, Reservation, ReservationState};
use storefront_types::OrderId;
use time::OffsetDateTime;

use super::{MAX_ATTEMPTS, attempt_id, paying::PENDING_PAUSE, saga::MAX_ASKS};
use crate::payment::{CALL, PaymentState};

/// How long one run may go on with a hold that it found standing: it asks for the payment three times, 5 s each, extends the hold in between, 5.5 s
/// each, confirms, and reserves again, 5 s each: 36 s.
pub(crate) const LONGEST_RUN: Duration = CALL
    .saturating_mul(MAX_ASKS as u32)
    .saturating_add(DEFAULT_DEADLINE.saturating_add(PENDING_PAUSE).saturating_mul(MAX_ASKS as u32 - 1))
    .saturating_add(DEFAULT_DEADLINE.saturating_mul(2));

/// A hold that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    attempt: u8,
    at: OffsetDateTime,
}

impl Ended {
    /// `None`: the reservation is no attempt at the order, or did not end by itself.
    pub(crate) fn of(order: OrderId, newest: &Reservation) -> Option<Self> {
        let attempt = (0..MAX_ATTEMPTS).find(|attempt| attempt_id(order, *attempt) == newest.id)?;
        let at = newest.changes.last()?.at;
        (newest.state == ReservationState::Expired).then_some(Self { attempt, at })
    }

    /// Nobody begins another attempt any more, whatever the payment comes to.
    pub(crate) fn is_over(&self, now: OffsetDateTime) -> bool {
        self.attempt + 1 >= MAX_ATTEMPTS || now >= self.at + LONGEST_RUN
    }
}

/// Nobody can pay for the order any more.
pub(crate) fn is_unpaid(payment: Option<&PaymentState>) -> bool {
    matches!(payment, Some(PaymentState::Voided | PaymentState::Declined { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_that_ended_may_be_followed_by_another_as_long_as_one_run_lasts() {
        assert_eq!(LONGEST_RUN, Duration::from_secs(36));
        let at = OffsetDateTime::UNIX_EPOCH;
        let (first, last) = (Ended { attempt: 0, at }, Ended { attempt: MAX_ATTEMPTS - 1, at });
        assert!(!first.is_over(at + Duration::from_secs(35)) && first.is_over(at + LONGEST_RUN));
        assert!(last.is_over(at), "there is no further attempt");
    }
}
