//! All state of the ledger, in memory.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, ReservationId, Sku};
use uuid::Uuid;

use super::{
    command::{Command, LogTime},
    due::Due,
    levels::SkuStock,
    movement::Answer,
    names::{NameIndex, Names},
    outcome::Outcome,
    reservation::{Reservation, State},
    table::{Slot, Table},
    trail::{Record, TrailBuilder, Trails},
};

/// How long an outcome is remembered after it was settled: 48 h of log time, longer than any client retries.
pub const REMEMBER_MS: u64 = 48 * 60 * 60 * 1_000;

/// Outcomes forgotten with one log entry. An entry brings at most 1,024 new ones, so twice that keeps up and stays short.
pub const FORGET_PER_ENTRY: usize = 2_048;

/// Reservations expired with one command.
pub const MAX_EXPIRE_PER_COMMAND: u32 = 1_024;

/// Units of a SKU at one location. 10^15 x 1,000 locations stay below 2^63.
pub const MAX_ON_HAND: u64 = 1_000_000_000_000_000;

/// The answer to a command that left no reservation behind: stock commands and refusals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) fingerprint: [u8; 16],
    pub(crate) at: LogTime,
    pub(crate) answer: Answer,
}

/// The ledger. Every collection is ordered, so that nothing depends on hash order.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub(crate) clock: LogTime,
    pub(crate) skus: Table<Sku, SkuStock>,
    pub(crate) locations: BTreeSet<LocationId>,
    pub(crate) reservations: Table<ReservationId, Reservation>,
    pub(crate) remembered: Table<Uuid, Remembered>,
    /// Held reservations by when they end.
    pub(crate) expiring: BTreeSet<(LogTime, ReservationId)>,
    /// Confirmed and not yet acknowledged, by when they were confirmed.
    pub(crate) unacknowledged: BTreeSet<(LogTime, ReservationId)>,
    /// Settled reservations and remembered outcomes by when they may be forgotten.
    pub(crate) forgettable: Due,
    /// SKUs whose stock changed since they were last taken.
    pub(crate) touched: Vec<Slot>,
    /// The way from a SKU to the records that tell of its changes.
    pub(crate) trails: Trails,
}

impl Inventory {
    /// Applies the commands of one log entry; one outcome for each, in order.
    pub fn apply_entry(&mut self, time: LogTime, commands: &[Command]) -> Vec<Outcome> {
        self.advance(time);
        self.forget();
        commands.iter().map(|command| self.apply(time, command)).collect()
    }

    /// The log's clock: the latest time that any entry carried.
    pub fn clock(&self) -> LogTime {
        self.clock
    }

    /// When the next held reservation ends, so that the leader knows when to log an `Expire`.
    pub fn next_expiry(&self) -> Option<LogTime> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// SKUs whose stock changed since the last call, each once, in no order that means anything.
    pub fn take_touched(&mut self) -> Vec<Sku> {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        touched.into_iter().filter_map(|slot| self.skus.entry(slot)).map(|(sku, _)| sku.clone()).collect()
    }

    pub(crate) fn advance(&mut self, time: LogTime) {
        self.clock = self.clock.max(time);
    }

    /// Drops what nobody may ask for again, a bounded number at a time.
    fn forget(&mut self) {
        for _ in 0..FORGET_PER_ENTRY {
            let Some(id) = self.forgettable.next(self.clock) else { return };
            if let Some(known) = self.remembered.remove(&id) {
                self.forget_answer(&known.answer);
            } else if let Some(found) = self.reservations.remove(&ReservationId::new(id)) {
                self.forget_reservation(&found);
            }
        }
    }

    pub(crate) fn remember(&mut self, id: Uuid, fingerprint: [u8; 16], answer: Answer) -> Outcome {
        self.forgettable.add(self.clock.plus_ms(REMEMBER_MS), id);
        let outcome = answer.outcome();
        let slot = self.remembered.insert(id, Remembered { fingerprint, at: self.clock, answer });
        self.trails.told_by(Record::Remembered(slot));
        outcome
    }

    /// Makes a new reservation known.
    pub(crate) fn admit(&mut self, id: ReservationId, reservation: Reservation) {
        self.index(id, &reservation);
        let slot = self.reservations.insert(id, reservation);
        self.trails.told_by(Record::Reservation(slot));
    }

    /// Loses the memory of what was refused: a fault that simulations plant, to see that it is found.
    pub(crate) fn forget_refusals(&mut self) {
        let refused = |known: &Remembered| matches!(known.answer, Answer::Refused { .. });
        let ids: Vec<Uuid> = self.remembered.after(None).filter(|(_, known)| refused(known)).map(|(id, _)| *id).collect();
        for known in ids.iter().filter_map(|id| self.remembered.remove(id)).collect::<Vec<_>>() {
            self.forget_answer(&known.answer);
        }
    }

    /// Puts a reservation into the indexes that its state calls for.
    pub(crate) fn index(&mut self, id: ReservationId, reservation: &Reservation) {
        match reservation.state {
            State::Reserved => {
                self.expiring.insert((reservation.expires_at, id));
            }
            State::Confirmed => {
                self.unacknowledged.insert((reservation.confirmed_at().unwrap_or_default(), id));
            }
            State::Acknowledged | State::Released | State::Expired => {
                self.forgettable.add(reservation.settled_at().plus_ms(REMEMBER_MS), id.uuid());
            }
        }
    }

    pub(crate) fn unindex(&mut self, id: ReservationId, state: State, expires_at: LogTime, confirmed_at: Option<LogTime>) {
        match state {
            State::Reserved => self.expiring.remove(&(expires_at, id)),
            State::Confirmed => self.unacknowledged.remove(&(confirmed_at.unwrap_or_default(), id)),
            State::Acknowledged | State::Released | State::Expired => false,
        };
    }

    /// Puts the ledger's own copies of names into all that was loaded, and gives what is told of its SKUs' movements.
    pub(crate) fn share_names(&mut self) -> TrailBuilder {
        let Self { skus, locations, reservations, remembered, .. } = self;
        skus.placed_mut().for_each(|(_, stock)| stock.at.share(locations));
        let (index, mut trails) = (NameIndex::of(skus), TrailBuilder::default());
        let names = Names { skus, locations, index: &index };
        for (at, found) in reservations.placed_mut() {
            names.share_reservation(found, |sku, newer| trails.add(sku, newer, Record::Reservation(at)));
        }
        for (at, known) in remembered.placed_mut() {
            names.share_answer(&mut known.answer, |sku, newer| trails.add(sku, newer, Record::Remembered(at)));
        }
        trails
    }

    /// Builds what is not written down from what is, after the tables were loaded.
    pub(crate) fn rebuild(&mut self, trails: TrailBuilder) {
        let settled = self.reservations.after(None).filter(|(_, found)| found.is_settled());
        let settled = settled.map(|(id, found)| (found.settled_at().plus_ms(REMEMBER_MS), id.uuid()));
        let known = self.remembered.after(None).map(|(id, known)| (known.at.plus_ms(REMEMBER_MS), *id));
        self.forgettable = Due::of(settled.chain(known));
        let of = |state| self.reservations.after(None).filter(move |(_, found)| found.state == state);
        // Building a set from an iterator sorts first: several times faster than inserting a million one by one.
        self.expiring = of(State::Reserved).map(|(id, found)| (found.expires_at, *id)).collect();
        let confirmed = of(State::Confirmed).map(|(id, found)| (found.confirmed_at().unwrap_or_default(), *id));
        self.unacknowledged = confirmed.collect();
        self.trails = trails.build();
    }
}
