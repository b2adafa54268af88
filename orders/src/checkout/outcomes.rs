//! What an outcome of the inventory or the provider is to the saga. Pure.

use inventory_api::{OutcomeCode, ReservationState};
use storefront_types::Money;

use super::saga::Event;
use crate::payment::{Authorisation, Found, PaymentError, PaymentState};

pub(crate) fn of_reserve(outcome: OutcomeCode, replayed: bool) -> Event {
    match outcome {
        OutcomeCode::Ok if replayed => Event::HeldBefore,
        OutcomeCode::Ok => Event::Held,
        OutcomeCode::ConflictingDuplicate => Event::DecidedOtherwise,
        _ => Event::PurchaseRefused,
    }
}

pub(crate) fn of_purchase(outcome: OutcomeCode, replayed: bool) -> Event {
    match of_reserve(outcome, replayed) {
        Event::HeldBefore => Event::PurchasedBefore,
        Event::Held => Event::Purchased,
        other => other,
    }
}

pub(crate) fn of_confirm(outcome: OutcomeCode) -> Event {
    match outcome {
        OutcomeCode::Ok => Event::Confirmed,
        OutcomeCode::Expired => Event::HoldExpired,
        OutcomeCode::AlreadyReleased => Event::HoldReleased,
        _ => Event::InventoryUnknown,
    }
}

pub(crate) fn of_release(outcome: OutcomeCode) -> Event {
    match outcome {
        OutcomeCode::Ok | OutcomeCode::AlreadyReleased => Event::Released,
        OutcomeCode::AlreadyConfirmed => Event::Confirmed,
        OutcomeCode::Expired => Event::HoldExpired,
        _ => Event::InventoryUnknown,
    }
}

pub(crate) fn of_extend(outcome: OutcomeCode) -> Event {
    match outcome {
        OutcomeCode::Ok => Event::Extended,
        OutcomeCode::Expired => Event::HoldExpired,
        OutcomeCode::AlreadyReleased => Event::HoldReleased,
        OutcomeCode::AlreadyConfirmed => Event::Confirmed,
        _ => Event::InventoryUnknown,
    }
}

/// Of a reservation that is neither confirmed nor acknowledged; `same`: its memo is this request's.
pub(crate) fn of_hold(state: Option<ReservationState>, same: Option<bool>) -> Event {
    match (state, same) {
        (None, _) => Event::ReservationNotFound,
        (Some(ReservationState::Reserved), Some(same)) => Event::HoldFound { same },
        (Some(ReservationState::Expired), _) => Event::HoldExpired,
        (Some(ReservationState::Released), _) => Event::HoldReleased,
        _ => Event::InventoryUnknown,
    }
}

pub(crate) fn of_authorisation(answered: &Authorisation) -> Event {
    match answered {
        Authorisation::Authorised { .. } => Event::Authorised,
        Authorisation::Declined { .. } => Event::PaymentDeclined,
        Authorisation::Pending => Event::PaymentPending,
        Authorisation::Unusable => Event::PaymentUnusable,
        Authorisation::Away => Event::PaymentAway,
        Authorisation::Unknown => Event::PaymentUnknown,
    }
}

/// `owed`: what the payment has to be of; `None`: it cannot pay for this order, whatever it is.
pub(crate) fn of_found(found: &Result<Option<Found>, PaymentError>, owed: Option<Money>) -> Event {
    match found {
        Ok(None) => Event::PaymentNone,
        Ok(Some(Found { state: PaymentState::Declined { .. }, .. })) => Event::PaymentDeclined,
        Ok(Some(Found { state: PaymentState::Voided, .. })) => Event::PaymentUnusable,
        Ok(Some(found)) if Some(found.amount) != owed => Event::PaymentUnusable,
        Ok(Some(Found { state: PaymentState::Pending, .. })) => Event::PaymentPending,
        Ok(Some(_)) => Event::Authorised,
        Err(PaymentError::Away(_) | PaymentError::Refused(_)) => Event::PaymentAway,
        Err(PaymentError::Unknown(_)) => Event::PaymentUnknown,
    }
}
