//! The saga's roads, one by one.

use super::*;

fn run(empty: bool, events: &[Event]) -> (Vec<Effect>, Answer) {
    drive(begin(Plan { empty, pays: false }), events)
}

fn pay(events: &[Event]) -> (Vec<Effect>, Answer) {
    drive(begin(Plan { empty: false, pays: true }), events)
}

fn drive((mut state, mut effect): (State, Effect), events: &[Event]) -> (Vec<Effect>, Answer) {
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
    let (effects, answer) = run(
        false,
        &[Event::OrderNotFound, Event::Priced, Event::Purchased, Event::Recorded, Event::CaptureTried, Event::Acknowledged],
    );
    assert_eq!(
        effects,
        [Effect::LookUpOrder, Effect::Price, Effect::Purchase, Effect::Record, Effect::Capture, Effect::Acknowledge]
    );
    assert_eq!(answer, Answer::Placed);
}

#[test]
fn a_purchase_is_never_refused_afterwards() {
    let bought = [Event::OrderUnknown, Event::Priced, Event::Purchased];
    assert_eq!(run(false, &[&bought[..], &[Event::RecordingFailed]].concat()).1, Answer::Accepted);
    let recorded = [Event::Recorded, Event::CaptureTried, Event::Acknowledged];
    assert_eq!(run(false, &[&bought[..], &recorded].concat()).1, Answer::Placed);
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
    assert_eq!(
        run(true, &[Event::OrderUnknown, Event::ReservationFound { same: true }, Event::RecordingFailed]).1,
        Answer::Accepted
    );
    assert_eq!(run(false, &[Event::OrderNotFound, Event::Priced, Event::PurchaseRefused]).1, Answer::Refused);
}

#[test]
fn a_changed_price_is_refused_only_when_the_key_bought_nothing_at_the_old_one() {
    for (event, refusal) in [
        (Event::PriceChanged, Answer::PriceChanged),
        (Event::Unpriced, Answer::Unpriced),
        (Event::MixedCurrencies, Answer::MixedCurrencies),
        (Event::MethodMissing, Answer::MethodMissing),
    ] {
        let (effects, answer) = run(false, &[Event::OrderUnknown, event, Event::ReservationNotFound]);
        assert_eq!(effects, [Effect::LookUpOrder, Effect::Price, Effect::LookUpReservation { attempt: 0 }]);
        assert_eq!(answer, refusal);
        let bought = [Event::OrderUnknown, event, Event::ReservationFound { same: true }, Event::RecordingFailed];
        assert_eq!(run(false, &bought).1, Answer::Accepted);
        let away = run(false, &[Event::OrderUnknown, event, Event::InventoryAway]).1;
        assert_eq!(away, Answer::Unavailable(Away::Inventory));
    }
}

#[test]
fn other_content_under_the_same_key_is_its_own_answer() {
    assert_eq!(run(false, &[Event::OrderFound { same: false }]).1, Answer::KeyReused);
    for found in [Event::ReservationNotFound, Event::ReservationFound { same: false }] {
        let events = [Event::OrderNotFound, Event::Priced, Event::DecidedOtherwise, found];
        assert_eq!(run(false, &events).1, Answer::KeyReused);
    }
}

#[test]
fn an_empty_cart_is_refused_only_when_nothing_was_bought_under_the_key() {
    assert_eq!(run(true, &[Event::OrderNotFound, Event::ReservationNotFound]).1, Answer::EmptyCart);
    assert_eq!(run(true, &[Event::OrderUnknown, Event::InventoryAway]).1, Answer::Unavailable(Away::Inventory));
    assert_eq!(run(false, &[Event::OrderNotFound, Event::Priced, Event::InventoryUnknown]).1, Answer::Unknown);
}

const HELD: [Event; 4] = [Event::OrderNotFound, Event::Priced, Event::Replaced, Event::Held];

fn held(more: &[Event]) -> (Vec<Effect>, Answer) {
    pay(&[&HELD[..], more].concat())
}

#[test]
fn a_payment_is_authorised_before_and_captured_after() {
    let (effects, answer) =
        held(&[Event::Authorised, Event::Confirmed, Event::Recorded, Event::CaptureTried, Event::Acknowledged]);
    let (reserve, confirm) = (Effect::Reserve { attempt: 0 }, Effect::Confirm { attempt: 0 });
    let paid = [Effect::Replace, reserve, Effect::Authorise, confirm, Effect::Record, Effect::Capture, Effect::Acknowledge];
    assert_eq!((&effects[2..], answer), (&paid[..], Answer::Placed));
}

#[test]
fn a_declined_payment_lets_go_of_the_stock() {
    let (effects, answer) = held(&[Event::PaymentDeclined, Event::Released]);
    assert_eq!((effects.last(), answer), (Some(&Effect::Release { attempt: 0 }), Answer::Declined));
}

#[test]
fn a_lost_answer_is_asked_for_again_and_then_left_to_a_retry() {
    let (effects, answer) = held(&[Event::PaymentUnknown, Event::PaymentUnknown, Event::PaymentUnknown]);
    assert_eq!(effects.iter().filter(|effect| **effect == Effect::Authorise).count(), usize::from(MAX_ASKS));
    assert_eq!(answer, Answer::PaymentPending);
    // A provider that is away for the second question may have heard the first.
    assert_eq!(held(&[Event::PaymentUnknown, Event::PaymentAway]).1, Answer::PaymentPending);
    assert_eq!(held(&[Event::PaymentAway]).1, Answer::Unavailable(Away::Payments));
}

#[test]
fn a_hold_that_ended_is_reserved_again_and_then_voided() {
    let again = [Event::Authorised, Event::HoldExpired, Event::Held];
    let (effects, answer) = held(&[&again[..], &again, &[Event::Authorised, Event::HoldExpired, Event::VoidTried]].concat());
    let reserved = effects.iter().filter(|effect| matches!(effect, Effect::Reserve { .. })).count();
    assert_eq!((reserved, effects.last(), answer), (usize::from(MAX_ATTEMPTS), Some(&Effect::Void), Answer::GivenUp));
    // Somebody else bought the stock meanwhile: nothing is taken.
    let sold = [Event::Authorised, Event::HoldExpired, Event::PurchaseRefused, Event::VoidTried];
    assert_eq!(held(&sold).1, Answer::Refused);
}

#[test]
fn extensions_are_capped() {
    let (effects, answer) = held(&[Event::PaymentPending, Event::ExtensionCapped]);
    assert_eq!((effects.last(), answer), (Some(&Effect::Extend { attempt: 0 }), Answer::PaymentPending));
}

#[test]
fn a_hold_that_ended_alone_voids_nothing() {
    // Another instance may have begun the next attempt with the same payment.
    let (effects, answer) = held(&[Event::PaymentUnusable, Event::HoldExpired]);
    assert_eq!((effects.contains(&Effect::Void), answer), (false, Answer::PaymentPending));
}

#[test]
fn a_checkout_that_a_newer_one_closed_is_given_up_and_other_content_is_not() {
    let closed = [
        Event::OrderNotFound,
        Event::Priced,
        Event::Replaced,
        Event::DecidedOtherwise,
        Event::ReservationNotFound,
        Event::AttemptClosed,
    ];
    let (effects, answer) = pay(&closed);
    assert_eq!((effects.last(), answer), (Some(&Effect::Close { attempt: 0 }), Answer::GivenUp));
    let other = [&closed[..5], &[Event::DecidedOtherwise]].concat();
    assert_eq!(pay(&other).1, Answer::KeyReused);
}

#[test]
fn what_costs_nothing_asks_nobody_for_money() {
    let bought = [Event::OrderNotFound, Event::PricedAtNothing, Event::Purchased];
    let (effects, answer) = pay(&[&bought[..], &[Event::Recorded, Event::CaptureTried, Event::Acknowledged]].concat());
    assert_eq!((&effects[2], answer), (&Effect::Purchase, Answer::Placed));
    assert!(!effects.contains(&Effect::Authorise));
}

#[test]
fn an_order_that_cost_nothing_stays_so_when_its_price_rises_and_one_that_was_paid_for_when_it_falls() {
    let risen = [Event::OrderUnknown, Event::Priced, Event::Replaced, Event::DecidedOtherwise];
    let fallen = [Event::OrderUnknown, Event::PricedAtNothing, Event::DecidedOtherwise];
    for retry in [&risen[..], &fallen] {
        let after = |found| pay(&[retry, &[found, Event::RecordingFailed]].concat());
        let (effects, answer) = after(Event::ReservationFound { same: true });
        assert_eq!(answer, Answer::Accepted);
        assert!(!effects.contains(&Effect::Authorise), "nobody pays for it again");
        let first = |found| pay(&[retry, &[found]].concat()).1;
        assert_eq!(first(Event::ReservationRecorded), Answer::Unavailable(Away::Database));
        assert_eq!(first(Event::InventoryAway), Answer::Unavailable(Away::Inventory));
        assert_eq!(first(Event::InventoryUnknown), Answer::Unknown);
        assert_eq!(first(Event::ReservationFound { same: false }), Answer::KeyReused);
    }
}

#[test]
fn a_paid_order_whose_first_hold_ended_is_found_when_its_price_has_fallen_to_nothing() {
    let fallen = [Event::OrderUnknown, Event::PricedAtNothing, Event::DecidedOtherwise, Event::HoldExpired];
    let after = |more: &[Event]| pay(&[&fallen[..], more].concat());
    let (effects, answer) = after(&[Event::ReservationFound { same: true }, Event::RecordingFailed]);
    assert_eq!((effects[4], answer), (Effect::LookUpReservation { attempt: 1 }, Answer::Accepted));
    assert_eq!(after(&[Event::ReservationNotFound]).1, Answer::KeyReused);
    let declined = [&fallen[..3], &[Event::HoldReleased, Event::PaymentDeclined]].concat();
    assert_eq!(pay(&declined).1, Answer::Declined);
}

#[test]
fn a_payment_that_cannot_pay_for_the_hold_is_voided_and_confirms_nothing() {
    let (effects, answer) = drive(recover(1), &[Event::PaymentUnusable, Event::Released, Event::VoidTried]);
    assert_eq!(effects, [Effect::LookUpPayment, Effect::Release { attempt: 1 }, Effect::Void]);
    assert_eq!(answer, Answer::GivenUp);
}
