//! The steps of a checkout as a function: `next(state, event) -> (state, effect)`. Pure: no clock, no I/O.
//!
//! ```text
//! LookUpOrder ─found──────────────────────────────► Answer(Known)
//!      │ not found / PostgreSQL away
//!      ├─ cart empty ─► LookUpReservation ─confirmed─► Record ─► Answer
//!      ▼                        ▲      └─not found─► Answer(the refusal)
//!    Price ─not to be sold so───┘
//!      └─► Purchase ─ok──────────────► Record ─ok───► Answer(Placed)
//!                │                           └─away──► Answer(Accepted)
//!                ├─ decided before ─► LookUpReservation
//!                └─ refused ─► Answer(Refused)
//! ```
//! The Raft commit inside `Purchase` is the acceptance: after it, every road leads to an accepted order. A refusal before it leaves no
//! trace, so the same key may be used again; but the key may have bought before, at the price of then, so that is looked up first.

/// What is being waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    LookingUpOrder {
        empty: bool,
    },
    /// `otherwise`: the answer when the key has bought nothing.
    LookingUpReservation {
        otherwise: Answer,
    },
    Pricing,
    Purchasing,
    Recording,
    Done,
}

/// What came of the last effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// PostgreSQL has the order; `same` says whether its content is this request's.
    OrderFound {
        same: bool,
    },
    OrderNotFound,
    /// PostgreSQL cannot say whether it has the order.
    OrderUnknown,
    /// The inventory has the reservation, confirmed, with its memo; `same` as above.
    ReservationFound {
        same: bool,
    },
    /// Confirmed and recorded, so PostgreSQL has it, but cannot be asked now.
    ReservationRecorded,
    ReservationNotFound,
    InventoryAway,
    /// A call may have been executed: the same key must be used again.
    InventoryUnknown,
    Priced,
    /// A SKU is sold no more.
    Unpriced,
    /// A line costs otherwise than the shopper was shown.
    PriceChanged,
    MixedCurrencies,
    /// The order's own record is over its bound.
    TooLarge,
    CatalogAway,
    Purchased,
    /// The id was decided before with these lines: its first outcome, and it was `ok`.
    PurchasedBefore,
    /// The id was decided before with other lines.
    DecidedOtherwise,
    PurchaseRefused,
    Recorded,
    RecordingFailed,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    LookUpOrder,
    LookUpReservation,
    Price,
    Purchase,
    Record,
    Answer(Answer),
}

/// How a checkout ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The order that this key already made.
    Known,
    /// Recorded: 201.
    Placed,
    /// In the log, not yet recorded: 202.
    Accepted,
    /// The inventory said no; the first refusal, also on a retry.
    Refused,
    /// A SKU has no price any more.
    Unpriced,
    /// At another price than was shown; nothing is sold at it before the shopper has seen it.
    PriceChanged,
    MixedCurrencies,
    /// The cart does not fit one order.
    TooLarge,
    KeyReused,
    EmptyCart,
    Unavailable(Away),
    /// Perhaps accepted.
    Unknown,
}

/// Who is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Away {
    Catalog,
    Inventory,
    Database,
}

/// The first state and effect. `empty`: the ticket's cart has no lines.
pub(crate) fn begin(empty: bool) -> (State, Effect) {
    (State::LookingUpOrder { empty }, Effect::LookUpOrder)
}

/// An event that does not belong to the state ends the checkout as unknown: the same key leads to the truth.
pub(crate) fn next(state: State, event: Event) -> (State, Effect) {
    use Event as E;
    let answer = |answer| (State::Done, Effect::Answer(answer));
    let unless_bought = |otherwise| (State::LookingUpReservation { otherwise }, Effect::LookUpReservation);
    match (state, event) {
        (State::LookingUpOrder { .. }, E::OrderFound { same: true }) => answer(Answer::Known),
        (_, E::OrderFound { same: false } | E::ReservationFound { same: false } | E::DecidedOtherwise) => {
            answer(Answer::KeyReused)
        }
        (State::LookingUpOrder { empty: true }, E::OrderNotFound | E::OrderUnknown) => unless_bought(Answer::EmptyCart),
        (State::LookingUpOrder { empty: false }, E::OrderNotFound | E::OrderUnknown) => (State::Pricing, Effect::Price),
        (State::LookingUpReservation { .. }, E::ReservationFound { same: true }) => (State::Recording, Effect::Record),
        (State::LookingUpReservation { otherwise }, E::ReservationNotFound) => answer(otherwise),
        (State::LookingUpReservation { .. }, E::ReservationRecorded) => answer(Answer::Unavailable(Away::Database)),
        (State::LookingUpReservation { .. }, E::InventoryAway) => answer(Answer::Unavailable(Away::Inventory)),
        (State::Pricing, E::Priced) => (State::Purchasing, Effect::Purchase),
        (State::Pricing, E::Unpriced) => unless_bought(Answer::Unpriced),
        (State::Pricing, E::PriceChanged) => unless_bought(Answer::PriceChanged),
        (State::Pricing, E::MixedCurrencies) => unless_bought(Answer::MixedCurrencies),
        (State::Pricing, E::TooLarge) => answer(Answer::TooLarge),
        (State::Pricing, E::CatalogAway) => answer(Answer::Unavailable(Away::Catalog)),
        (State::Purchasing, E::Purchased) => (State::Recording, Effect::Record),
        // Its memo is the order, not this request's: another price or address may stand in it.
        (State::Purchasing, E::PurchasedBefore) => unless_bought(Answer::Unknown),
        (State::Purchasing, E::PurchaseRefused) => answer(Answer::Refused),
        (State::Purchasing, E::InventoryAway) => answer(Answer::Unavailable(Away::Inventory)),
        (State::Recording, E::Recorded) => answer(Answer::Placed),
        (State::Recording, E::RecordingFailed) => answer(Answer::Accepted),
        _ => answer(Answer::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(empty: bool, events: &[Event]) -> (Vec<Effect>, Answer) {
        let (mut state, mut effect) = begin(empty);
        let mut effects = vec![effect];
        for event in events {
            (state, effect) = next(state, *event);
            effects.push(effect);
        }
        let Some(Effect::Answer(answer)) = effects.pop() else { panic!("no answer after {events:?}") };
        (effects, answer)
    }

    #[test]
    fn the_straight_way_records_after_the_purchase() {
        let (effects, answer) = run(false, &[Event::OrderNotFound, Event::Priced, Event::Purchased, Event::Recorded]);
        assert_eq!(effects, [Effect::LookUpOrder, Effect::Price, Effect::Purchase, Effect::Record]);
        assert_eq!(answer, Answer::Placed);
    }

    #[test]
    fn a_purchase_is_never_refused_afterwards() {
        for event in [Event::Recorded, Event::RecordingFailed] {
            let (_, answer) = run(false, &[Event::OrderUnknown, Event::Priced, Event::Purchased, event]);
            assert!(matches!(answer, Answer::Placed | Answer::Accepted));
        }
    }

    #[test]
    fn retries_find_the_first_answer() {
        assert_eq!(run(true, &[Event::OrderFound { same: true }]).1, Answer::Known);
        let before = [
            Event::OrderUnknown,
            Event::Priced,
            Event::PurchasedBefore,
            Event::ReservationFound { same: true },
            Event::RecordingFailed,
        ];
        assert_eq!(run(false, &before).1, Answer::Accepted);
        assert_eq!(run(true, &[Event::OrderUnknown, Event::ReservationFound { same: true }, Event::Recorded]).1, Answer::Placed);
        assert_eq!(run(false, &[Event::OrderNotFound, Event::Priced, Event::PurchaseRefused]).1, Answer::Refused);
    }

    #[test]
    fn a_changed_price_is_refused_only_when_the_key_bought_nothing_at_the_old_one() {
        for (event, refusal) in [
            (Event::PriceChanged, Answer::PriceChanged),
            (Event::Unpriced, Answer::Unpriced),
            (Event::MixedCurrencies, Answer::MixedCurrencies),
        ] {
            let (effects, answer) = run(false, &[Event::OrderUnknown, event, Event::ReservationNotFound]);
            assert_eq!(effects, [Effect::LookUpOrder, Effect::Price, Effect::LookUpReservation]);
            assert_eq!(answer, refusal);
            let bought = [Event::OrderUnknown, event, Event::ReservationFound { same: true }, Event::Recorded];
            assert_eq!(run(false, &bought).1, Answer::Placed);
            let away = run(false, &[Event::OrderUnknown, event, Event::InventoryAway]).1;
            assert_eq!(away, Answer::Unavailable(Away::Inventory));
        }
    }

    #[test]
    fn other_content_under_the_same_key_is_its_own_answer() {
        assert_eq!(run(false, &[Event::OrderFound { same: false }]).1, Answer::KeyReused);
        assert_eq!(run(false, &[Event::OrderNotFound, Event::Priced, Event::DecidedOtherwise]).1, Answer::KeyReused);
    }

    #[test]
    fn an_empty_cart_is_refused_only_when_nothing_was_bought_under_the_key() {
        assert_eq!(run(true, &[Event::OrderNotFound, Event::ReservationNotFound]).1, Answer::EmptyCart);
        assert_eq!(run(true, &[Event::OrderUnknown, Event::InventoryAway]).1, Answer::Unavailable(Away::Inventory));
        assert_eq!(run(false, &[Event::OrderNotFound, Event::Priced, Event::InventoryUnknown]).1, Answer::Unknown);
    }
}
