//! The movements of a SKU: every change of its stock in order of version, read from the records that the changes left behind.
//!
//! A record is kept for as long as its command can be repeated, at least [`super::REMEMBER_MS`] from the change on, so that long a
//! movement is told of. Each is told of once, as it happened, and between two that are told of none is missing.

use std::ops::RangeInclusive;

use storefront_types::{LocationId, ReservationId, Sku};
use uuid::Uuid;

use super::{
    LogTime,
    movement::{Answer, Made, StockMove},
    reservation::{Allocated, Change, Reservation},
    state::{Inventory, Remembered},
    table::Slot,
    trail::Record,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MovementKind {
    Received,
    Adjusted,
    Moved,
    Counted,
    Reserved,
    Purchased,
    Confirmed,
    Released,
    Expired,
}

/// What a movement did to the level of one location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelChange {
    pub location: LocationId,
    pub on_hand: i64,
    pub reserved: i64,
}

/// One change of a SKU's stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Movement {
    /// Of the SKU, after the change.
    pub version: u64,
    pub at: LogTime,
    pub kind: MovementKind,
    /// Of the command or the reservation.
    pub id: Uuid,
    pub changes: Vec<LevelChange>,
    /// Units that could not be taken off because they are promised.
    pub short: u64,
}

/// Versions of a SKU whose movements are told of; `oldest` is one past `newest` when there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub oldest: u64,
    pub newest: u64,
}

fn signed(units: u64) -> i64 {
    i64::try_from(units).unwrap_or(i64::MAX)
}

fn of_made(made: &Made) -> (MovementKind, Vec<LevelChange>) {
    let change = |location: &LocationId, on_hand| LevelChange { location: location.clone(), on_hand, reserved: 0 };
    match &made.what {
        StockMove::Received { at, units } => (MovementKind::Received, vec![change(at, i64::from(units.get()))]),
        StockMove::Adjusted { at, made, .. } => (MovementKind::Adjusted, vec![change(at, *made)]),
        StockMove::Counted { at, made, .. } => (MovementKind::Counted, vec![change(at, *made)]),
        StockMove::Moved { from, to, units } => {
            let units = i64::from(units.get());
            (MovementKind::Moved, vec![change(from, -units), change(to, units)])
        }
    }
}

/// Whether, and how, a change of a reservation moved units: its kind, and the signs for on hand and reserved.
fn effect(change: Change) -> Option<(MovementKind, i64, i64)> {
    match change {
        Change::Reserved => Some((MovementKind::Reserved, 0, 1)),
        Change::Purchased => Some((MovementKind::Purchased, -1, 0)),
        Change::Confirmed => Some((MovementKind::Confirmed, -1, -1)),
        Change::Released => Some((MovementKind::Released, 0, -1)),
        Change::Expired => Some((MovementKind::Expired, 0, -1)),
        Change::Extended | Change::Acknowledged => None,
    }
}

/// The versions of a line's SKU that a reservation tells of, oldest first.
pub(super) fn told_by_reservation(found: &Reservation, line: usize) -> impl Iterator<Item = u64> {
    let moved = found.changes.iter().filter(|(change, ..)| effect(*change).is_some());
    moved.filter_map(move |(.., versions)| versions.get(line).copied())
}

fn of_reservation(id: ReservationId, found: &Reservation, sku: &Sku, version: u64) -> Option<Movement> {
    let at = found.lines.iter().position(|line| line.sku == *sku)?;
    let ((kind, on_hand, reserved), time) = found.changes.iter().find_map(|(change, time, versions)| {
        let effect = effect(*change).filter(|_| versions.get(at) == Some(&version));
        effect.map(|effect| (effect, *time))
    })?;
    let change = |part: &Allocated| LevelChange {
        location: part.location.clone(),
        on_hand: on_hand * signed(part.quantity),
        reserved: reserved * signed(part.quantity),
    };
    let changes = found.lines[at].allocations.iter().map(change).collect();
    Some(Movement { version, at: time, kind, id: id.uuid(), changes, short: 0 })
}

impl Inventory {
    /// Which movements of a SKU are told of. `None`: the SKU is not known.
    pub fn told(&self, sku: &Sku) -> Option<Told> {
        let (slot, (_, stock)) = self.known(sku)?;
        Some(self.told_at(slot, stock.version))
    }

    fn told_at(&self, slot: Slot, newest: u64) -> Told {
        Told { oldest: newest + 1 - self.trails.len(slot) as u64, newest }
    }

    /// The movements that led to these versions of a SKU, in their order from either end; those not told of are left out.
    pub fn movements(&self, sku: &Sku, versions: RangeInclusive<u64>) -> impl DoubleEndedIterator<Item = Movement> {
        let found = self.known(sku).map(|(slot, (own, stock))| (slot, own, self.told_at(slot, stock.version).oldest));
        let of = move |version: u64| {
            let (slot, own, oldest) = found?;
            self.movement(own, version, self.trails.record(slot, usize::try_from(version.checked_sub(oldest)?).ok()?)?)
        };
        versions.filter_map(of)
    }

    fn movement(&self, sku: &Sku, version: u64, told_by: Record) -> Option<Movement> {
        match told_by {
            Record::Reservation(at) => {
                let (id, found) = self.reservations.entry(at)?;
                of_reservation(*id, found, sku, version)
            }
            Record::Remembered(at) => {
                let (id, Remembered { at, answer, .. }) = self.remembered.entry(at)?;
                let Answer::Made(made) = answer else { return None };
                let (kind, changes) = of_made(made);
                let short = made.what.shortage().map_or(0, |(wanted, made)| wanted - made);
                Some(Movement { version: made.version, at: *at, kind, id: *id, changes, short })
            }
        }
    }

    /// A reservation is gone, and the movements it told of with it.
    pub(super) fn forget_reservation(&mut self, found: &Reservation) {
        for (at, line) in found.lines.iter().enumerate() {
            if let Some(last) = told_by_reservation(found, at).last() {
                self.forget_movement(&line.sku, last);
            }
        }
    }

    /// An answer is gone, and the movement it told of with it.
    pub(super) fn forget_answer(&mut self, answer: &Answer) {
        if let Answer::Made(made) = answer {
            self.forget_movement(&made.sku, made.version);
        }
    }

    fn forget_movement(&mut self, sku: &Sku, version: u64) {
        if let Some((slot, (_, stock))) = self.known(sku) {
            let newest = stock.version;
            self.trails.forget(slot, version, newest);
        }
    }
}
