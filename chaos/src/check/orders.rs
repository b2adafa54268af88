//! One order in both stores: what the inventory promised, and what PostgreSQL has.

use inventory_api::ReservationState;
use uuid::Uuid;

use super::difference::{Difference, Lines};

/// How long the inventory remembers a reservation after it was acknowledged, released or expired.
const REMEMBERED_MS: u64 = 48 * 60 * 60 * 1_000;

/// How far the clock of a service may be from the inventory's.
const SKEW_MS: u64 = 5 * 60 * 1_000;

/// A reservation of the inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promise {
    pub id: Uuid,
    pub state: ReservationState,
    pub lines: Lines,
    pub confirmed_at_ms: Option<u64>,
    pub expires_at_ms: Option<u64>,
}

/// An order in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub id: Uuid,
    /// `None`: there are items, and no order.
    pub placed_at_ms: Option<u64>,
    pub lines: Lines,
}

/// Units of each SKU, whatever order and however often a SKU is named.
pub fn lines(of: impl IntoIterator<Item = (String, u64)>) -> Lines {
    let mut lines: Lines = of.into_iter().collect();
    lines.sort_unstable();
    lines.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 += later.1;
        }
        same
    });
    lines
}

/// What is wrong with one order. Both are of one id.
///
/// `clock_ms`: the inventory's. `grace_ms`: how long an accepted order may wait for its record, and a hold for its end.
pub fn compare(promise: Option<&Promise>, record: Option<&Record>, clock_ms: u64, grace_ms: u64) -> Option<Difference> {
    if let Some(found) = record.and_then(incomplete) {
        return Some(found);
    }
    match (promise, record) {
        (None, None) => None,
        (None, Some(record)) => unpromised(record, clock_ms),
        (Some(promise), None) => unrecorded(promise, clock_ms, grace_ms),
        (Some(promise), Some(record)) => {
            let order = record.id;
            match promise.state {
                ReservationState::Confirmed | ReservationState::Acknowledged => (promise.lines != record.lines)
                    .then(|| Difference::OtherLines { order, reserved: promise.lines.clone(), ordered: record.lines.clone() }),
                state => Some(Difference::OrderOfUnpromisedUnits { order, state }),
            }
        }
    }
}

fn incomplete(record: &Record) -> Option<Difference> {
    match (record.placed_at_ms, record.lines.is_empty()) {
        (None, _) => Some(Difference::ItemsWithoutOrder { order: record.id }),
        (Some(_), true) => Some(Difference::OrderWithoutItems { order: record.id }),
        (Some(_), false) => None,
    }
}

fn unpromised(record: &Record, clock_ms: u64) -> Option<Difference> {
    let placed_at_ms = record.placed_at_ms.unwrap_or_default();
    let is_remembered = placed_at_ms.saturating_add(REMEMBERED_MS) > clock_ms.saturating_add(SKEW_MS);
    is_remembered.then_some(Difference::OrderWithoutReservation { order: record.id })
}

fn unrecorded(promise: &Promise, clock_ms: u64, grace_ms: u64) -> Option<Difference> {
    let since = |at_ms: Option<u64>| clock_ms.saturating_sub(at_ms.unwrap_or(clock_ms));
    match promise.state {
        ReservationState::Acknowledged => Some(Difference::OrderLost { order: promise.id }),
        ReservationState::Confirmed => {
            let waits_ms = since(promise.confirmed_at_ms);
            (waits_ms > grace_ms).then_some(Difference::OrderNotRecorded { order: promise.id, waits_ms })
        }
        ReservationState::Reserved => {
            let overdue_ms = since(promise.expires_at_ms);
            (overdue_ms > grace_ms).then_some(Difference::HoldPastItsEnd { reservation: promise.id, overdue_ms })
        }
        ReservationState::Released | ReservationState::Expired => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 10 * REMEMBERED_MS;
    const GRACE: u64 = 30_000;

    fn promise(state: ReservationState) -> Promise {
        let lines = lines([("cup".to_owned(), 1), ("pen".to_owned(), 2)]);
        Promise { id: Uuid::from_u128(7), state, lines, confirmed_at_ms: Some(NOW - 1_000), expires_at_ms: None }
    }

    fn record() -> Record {
        // A SKU that is named twice is one line.
        let lines = lines([("pen".to_owned(), 1), ("cup".to_owned(), 1), ("pen".to_owned(), 1)]);
        Record { id: Uuid::from_u128(7), placed_at_ms: Some(NOW - 1_000), lines }
    }

    #[test]
    fn an_order_that_both_have_agrees_and_so_does_one_on_its_way_and_one_that_was_forgotten() {
        for state in [ReservationState::Confirmed, ReservationState::Acknowledged] {
            assert_eq!(compare(Some(&promise(state)), Some(&record()), NOW, GRACE), None);
        }
        assert_eq!(compare(Some(&promise(ReservationState::Confirmed)), None, NOW, GRACE), None);
        for state in [ReservationState::Released, ReservationState::Expired, ReservationState::Reserved] {
            assert_eq!(compare(Some(&promise(state)), None, NOW, GRACE), None);
        }
        let old = Record { placed_at_ms: Some(NOW - REMEMBERED_MS), ..record() };
        assert_eq!(compare(None, Some(&old), NOW, GRACE), None);
    }

    #[test]
    fn each_planted_difference_has_its_name() {
        let (acknowledged, record) = (promise(ReservationState::Acknowledged), record());
        let late = Promise { confirmed_at_ms: Some(NOW - GRACE - 1), ..promise(ReservationState::Confirmed) };
        let held = Promise { expires_at_ms: Some(NOW - GRACE - 5_000), ..promise(ReservationState::Reserved) };
        let other = Record { lines: lines([("cup".to_owned(), 2), ("pen".to_owned(), 2)]), ..record.clone() };
        let bare = Record { lines: Vec::new(), ..record.clone() };
        let orphans = Record { placed_at_ms: None, ..record.clone() };
        let released = promise(ReservationState::Released);
        let planted: [(Option<&Promise>, Option<&Record>, &str); 8] = [
            (None, Some(&record), "order_without_reservation"),
            (Some(&released), Some(&record), "order_of_unpromised_units"),
            (Some(&late), None, "order_not_recorded"),
            (Some(&acknowledged), None, "order_lost"),
            (Some(&acknowledged), Some(&other), "other_lines"),
            (Some(&acknowledged), Some(&bare), "order_without_items"),
            (Some(&acknowledged), Some(&orphans), "items_without_order"),
            (Some(&held), None, "hold_past_its_end"),
        ];
        for (promise, record, kind) in planted {
            let found = compare(promise, record, NOW, GRACE).unwrap();
            assert_eq!(found.kind(), kind);
            assert_eq!(serde_json::to_value(&found).unwrap()["kind"], kind, "programs see another name");
        }
    }
}
