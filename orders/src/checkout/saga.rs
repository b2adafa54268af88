//! The steps of a checkout as a function: `next(state, event) -> (state, effect)`. Pure: no clock, no I/O.
//!
//! Without payment:
//! ```text
//! LookUpOrder ─found──────────────────────────────► Answer(Known)
//!      │ not found / PostgreSQL away
//!      ├─ cart empty ─► LookUpReservation ─confirmed─► Record ─► Answer
//!      ▼                        ▲      └─not found─► Answer(the refusal)
//!    Price ─not to be sold so───┘
//!      └─► Purchase ─ok──────────────► Record ─ok───► Acknowledge ─► Answer(Placed)
//!                │                           └─away──► Answer(Accepted)
//!                ├─ decided before ─► LookUpReservation
//!                └─ refused ─► Answer(Refused)
//! ```
//! With payment, `Purchase` is taken apart:
//! ```text
//! Price ─► Replace ─► Reserve ─► Authorise ─► Confirm ─► Record ─► Capture ─► Acknowledge ─► Answer(Placed)
//!                        │           ├─ pending ─► Extend ─► Authorise       (a hold that ended meanwhile is
//!                        │           ├─ no answer ─► Authorise                reserved again as the next attempt:
//!                        │           └─ declined ─► Release ─► Answer         Confirm ─ended─► Reserve)
//!                        ├─ decided before ─► LookUpReservation ─► where it stands
//!                        └─ decided otherwise ─► LookUpReservation ─► where it stands; else
//!                                                Close ─► Answer(GivenUp): a newer checkout was faster; or Answer(KeyReused)
//! ```
//! An order that costs nothing is a `Purchase` also where payments are taken. A key that bought at nothing and is sent again when there is a
//! price, or the other way round, is decided otherwise and still names the first order.
//!
//! The Raft commit inside `Purchase` or `Confirm` is the acceptance: after it, every road leads to an accepted order. A refusal while
//! pricing leaves no trace, so the same key may be used again; but the key may have bought before, at the price of then, so that is
//! looked up first.
//!
//! A payment is voided only when no attempt at its order can be confirmed any more: an attempt was released or refused, which
//! ends the row of attempts, or the last one ended. An ended attempt alone is no reason, for another instance may have begun
//! the next one.

pub(crate) use super::step::{Answer, Away, Effect, Event};

/// Holds that one order may have, one after the other: the first, and two more when a payment outlasts them.
pub(crate) const MAX_ATTEMPTS: u8 = 3;

/// How often one run asks for the payment: once, and twice more while it is pending or the answer is lost.
pub(crate) const MAX_ASKS: u8 = 3;

/// What is known before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The ticket's cart has no lines.
    pub(crate) empty: bool,
    /// The shop takes payments.
    pub(crate) pays: bool,
}

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    LookingUpOrder(Plan),
    /// `unless`: the answer when the key has bought nothing, where there is nothing to go on with. `decided`: the inventory has decided
    /// about this attempt before.
    LookingUpReservation {
        unless: Option<Answer>,
        attempt: u8,
        decided: bool,
    },
    LookingUpPayment,
    Recovering {
        attempt: u8,
    },
    Pricing {
        pays: bool,
    },
    Purchasing,
    Replacing,
    Reserving {
        attempt: u8,
    },
    /// The first attempt was decided about before, as something else: other lines, or the same ones at a price that was nothing then or is now.
    FindingFirst {
        pays: bool,
    },
    /// And it is no order of these lines.
    AskingWhetherClosed,
    Authorising {
        attempt: u8,
        asks: u8,
    },
    Extending {
        attempt: u8,
        asks: u8,
    },
    Confirming {
        attempt: u8,
    },
    Recording,
    Capturing,
    Acknowledging,
    Releasing {
        attempt: u8,
        void: bool,
        then: Answer,
    },
    Voiding {
        then: Answer,
    },
    Done,
}

type Step = (State, Effect);

/// The first state and effect.
pub(crate) fn begin(plan: Plan) -> Step {
    (State::LookingUpOrder(plan), Effect::LookUpOrder)
}

/// Of a hold that nobody works on any more: an authorised payment leads to the order, nothing else is begun.
pub(crate) fn recover(attempt: u8) -> Step {
    (State::Recovering { attempt }, Effect::LookUpPayment)
}

fn answer(answer: Answer) -> Step {
    (State::Done, Effect::Answer(answer))
}

fn look_up(unless: Option<Answer>, attempt: u8, decided: bool) -> Step {
    (State::LookingUpReservation { unless, attempt, decided }, Effect::LookUpReservation { attempt })
}

fn find(pays: bool) -> Step {
    (State::FindingFirst { pays }, Effect::LookUpReservation { attempt: 0 })
}

fn authorise(attempt: u8, asks: u8) -> Step {
    (State::Authorising { attempt, asks }, Effect::Authorise)
}

fn reserve(attempt: u8) -> Step {
    (State::Reserving { attempt }, Effect::Reserve { attempt })
}

fn confirm(attempt: u8) -> Step {
    (State::Confirming { attempt }, Effect::Confirm { attempt })
}

fn record() -> Step {
    (State::Recording, Effect::Record)
}

fn release(attempt: u8, void: bool, then: Answer) -> Step {
    (State::Releasing { attempt, void, then }, Effect::Release { attempt })
}

/// Only where no attempt can be confirmed any more.
fn void(then: Answer) -> Step {
    (State::Voiding { then }, Effect::Void)
}

/// An event that does not belong to the state ends the checkout as unknown: the same key leads to the truth.
pub(crate) fn next(state: State, event: Event) -> Step {
    use Event as E;
    match (state, event) {
        (State::LookingUpOrder(_), E::OrderFound { same: true }) => answer(Answer::Known),
        (_, E::OrderFound { same: false } | E::ReservationFound { same: false } | E::HoldFound { same: false }) => {
            answer(Answer::KeyReused)
        }
        (State::LookingUpOrder(plan), E::OrderNotFound | E::OrderUnknown) => match plan.empty {
            true => look_up(Some(Answer::EmptyCart), 0, false),
            false => (State::Pricing { pays: plan.pays }, Effect::Price),
        },
        (State::LookingUpOrder(_), E::ReservationRecorded) => answer(Answer::Unavailable(Away::Database)),
        (State::LookingUpReservation { unless, attempt, decided }, event) => looked_up(unless, attempt, decided, event),
        (State::Pricing { pays: false }, E::Priced) | (State::Pricing { .. }, E::PricedAtNothing) => {
            (State::Purchasing, Effect::Purchase)
        }
        (State::Pricing { pays: true }, E::Priced) => (State::Replacing, Effect::Replace),
        (State::Pricing { .. }, E::Unpriced) => look_up(Some(Answer::Unpriced), 0, false),
        (State::Pricing { .. }, E::PriceChanged) => look_up(Some(Answer::PriceChanged), 0, false),
        (State::Pricing { .. }, E::MixedCurrencies) => look_up(Some(Answer::MixedCurrencies), 0, false),
        (State::Pricing { .. }, E::MethodMissing) => look_up(Some(Answer::MethodMissing), 0, false),
        (State::Pricing { .. }, E::TooLarge) => answer(Answer::TooLarge),
        (State::Pricing { .. }, E::CatalogAway) => answer(Answer::Unavailable(Away::Catalog)),
        (State::Purchasing, E::Purchased) => record(),
        // Its memo is the order, not this request's: another price or address may stand in it.
        (State::Purchasing, E::PurchasedBefore) => look_up(None, 0, true),
        (State::Purchasing, E::DecidedOtherwise) => find(false),
        (State::Purchasing, E::PurchaseRefused) => answer(Answer::Refused),
        (State::Purchasing, E::InventoryAway) => answer(Answer::Unavailable(Away::Inventory)),
        (State::Replacing, E::Replaced) => reserve(0),
        (State::Reserving { attempt }, event) => reserved(attempt, event),
        (State::FindingFirst { pays }, event) => found_first(pays, event),
        (State::AskingWhetherClosed, E::AttemptClosed) => answer(Answer::GivenUp),
        (State::AskingWhetherClosed, E::DecidedOtherwise) => answer(Answer::KeyReused),
        (State::Authorising { attempt, asks }, event) => authorised(attempt, asks, event),
        (State::Extending { .. }, E::ExtensionCapped) => answer(Answer::PaymentPending),
        // An ended hold is Confirm's to find out, once there is a payment.
        (State::Extending { attempt, asks }, _) => authorise(attempt, asks),
        (State::Confirming { attempt }, event) => confirmed(attempt, event),
        (State::Recovering { attempt }, E::Authorised) => confirm(attempt),
        (State::Recovering { attempt }, E::PaymentDeclined) => release(attempt, false, Answer::Declined),
        (State::Recovering { attempt }, E::PaymentUnusable) => release(attempt, true, Answer::GivenUp),
        (State::Recovering { .. }, _) => answer(Answer::PaymentPending),
        (State::LookingUpPayment, E::PaymentDeclined) => answer(Answer::Declined),
        (State::LookingUpPayment, E::Authorised | E::PaymentPending | E::PaymentUnusable) => void(Answer::GivenUp),
        (State::LookingUpPayment, E::PaymentNone) => answer(Answer::GivenUp),
        (State::LookingUpPayment, _) => answer(Answer::Unavailable(Away::Payments)),
        (State::Recording, E::Recorded) => (State::Capturing, Effect::Capture),
        (State::Recording, E::RecordingFailed) => answer(Answer::Accepted),
        (State::Capturing, _) => (State::Acknowledging, Effect::Acknowledge),
        (State::Acknowledging, _) => answer(Answer::Placed),
        (State::Releasing { void: true, then, .. }, E::Released) => void(then),
        // Another instance was faster, and right: there is an order.
        (State::Releasing { attempt, .. }, E::Confirmed) => look_up(None, attempt, true),
        // Not the end of the row: another instance may have begun the next attempt.
        (State::Releasing { void: true, .. }, _) => answer(Answer::PaymentPending),
        (State::Releasing { then, .. } | State::Voiding { then }, _) => answer(then),
        _ => answer(Answer::Unknown),
    }
}

fn looked_up(unless: Option<Answer>, attempt: u8, decided: bool, event: Event) -> Step {
    use Event as E;
    match event {
        E::ReservationFound { same: true } => record(),
        E::HoldFound { same: true } => authorise(attempt, 1),
        E::HoldExpired if attempt + 1 < MAX_ATTEMPTS => look_up(unless, attempt + 1, false),
        E::HoldExpired => void(Answer::GivenUp),
        E::HoldReleased => (State::LookingUpPayment, Effect::LookUpPayment),
        // Decided, and no reservation: refused, or closed by the reconciler.
        E::ReservationNotFound if attempt > 0 && decided => void(Answer::GivenUp),
        E::ReservationNotFound => match unless {
            Some(refusal) => answer(refusal),
            None if attempt > 0 => reserve(attempt),
            None => answer(Answer::Unknown),
        },
        E::ReservationRecorded => answer(Answer::Unavailable(Away::Database)),
        E::InventoryAway => answer(Answer::Unavailable(Away::Inventory)),
        _ => answer(Answer::Unknown),
    }
}

fn reserved(attempt: u8, event: Event) -> Step {
    use Event as E;
    match event {
        E::Held => authorise(attempt, 0),
        E::HeldBefore => look_up(None, attempt, true),
        E::DecidedOtherwise if attempt > 0 => look_up(None, attempt, true),
        E::DecidedOtherwise => find(true),
        E::PurchaseRefused if attempt > 0 => void(Answer::Refused),
        E::PurchaseRefused => answer(Answer::Refused),
        E::InventoryAway if attempt == 0 => answer(Answer::Unavailable(Away::Inventory)),
        _ => answer(Answer::Unknown),
    }
}

/// `asks`: how often the payment was asked for before this time, as far as is known.
fn authorised(attempt: u8, asks: u8, event: Event) -> Step {
    use Event as E;
    let last = asks + 1 >= MAX_ASKS;
    match event {
        E::Authorised => confirm(attempt),
        E::PaymentDeclined => release(attempt, false, Answer::Declined),
        E::PaymentUnusable => release(attempt, true, Answer::GivenUp),
        E::PaymentPending if !last => (State::Extending { attempt, asks: asks + 1 }, Effect::Extend { attempt }),
        E::PaymentUnknown if !last => authorise(attempt, asks + 1),
        E::PaymentAway if asks == 0 => answer(Answer::Unavailable(Away::Payments)),
        E::PaymentAway | E::PaymentPending | E::PaymentUnknown => answer(Answer::PaymentPending),
        _ => answer(Answer::Unknown),
    }
}

/// An order that was accepted stays what it was, whatever its lines cost now: the shopper pays what was shown then.
fn found_first(pays: bool, event: Event) -> Step {
    use Event as E;
    match event {
        E::ReservationFound { same: true } => record(),
        E::HoldFound { same: true } => authorise(0, 1),
        E::ReservationRecorded => answer(Answer::Unavailable(Away::Database)),
        E::InventoryAway => answer(Answer::Unavailable(Away::Inventory)),
        E::ReservationNotFound | E::HoldExpired | E::HoldReleased if pays => {
            (State::AskingWhetherClosed, Effect::Close { attempt: 0 })
        }
        E::ReservationNotFound => answer(Answer::KeyReused),
        // Its payment outlasted the hold: it may have been accepted with the next one.
        E::HoldExpired => look_up(Some(Answer::KeyReused), 1, false),
        E::HoldReleased => (State::LookingUpPayment, Effect::LookUpPayment),
        _ => answer(Answer::Unknown),
    }
}

fn confirmed(attempt: u8, event: Event) -> Step {
    use Event as E;
    match event {
        E::Confirmed => record(),
        E::HoldExpired if attempt + 1 < MAX_ATTEMPTS => reserve(attempt + 1),
        E::HoldExpired | E::HoldReleased => void(Answer::GivenUp),
        _ => answer(Answer::Unknown),
    }
}

#[cfg(test)]
mod actor;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world;
