//! All state of the ledger, in memory, with what changed since it was last written down.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, ReservationId, Sku};
use uuid::Uuid;

use super::{
    command::{Entry, LogTime},
    levels::SkuStock,
    outcome::Outcome,
    records::RecordKey,
    reservation::{Reservation, State},
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
    pub(crate) outcome: Outcome,
}

/// The ledger. Every collection is ordered, so that nothing depends on hash order.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    pub(crate) clock: LogTime,
    pub(crate) skus: BTreeMap<Sku, SkuStock>,
    pub(crate) locations: BTreeSet<LocationId>,
    pub(crate) reservations: BTreeMap<ReservationId, Reservation>,
    pub(crate) remembered: BTreeMap<Uuid, Remembered>,
    /// Held reservations by when they end.
    pub(crate) expiring: BTreeSet<(LogTime, ReservationId)>,
    /// Confirmed and not yet acknowledged, by when they were confirmed.
    pub(crate) unacknowledged: BTreeSet<(LogTime, ReservationId)>,
    /// Settled reservations and remembered outcomes by when they may be forgotten.
    pub(crate) forgettable: BTreeSet<(LogTime, Uuid)>,
    /// Records to write down.
    pub(crate) dirty: BTreeSet<RecordKey>,
    /// SKUs whose stock changed since they were last taken.
    pub(crate) touched: BTreeSet<Sku>,
}

impl Inventory {
    /// Applies one log entry; one outcome for each of its commands, in order.
    pub fn apply_entry(&mut self, entry: &Entry) -> Vec<Outcome> {
        self.advance(entry.time);
        self.forget();
        entry.commands.iter().map(|command| self.apply(entry.time, command)).collect()
    }

    /// The log's clock: the latest time that any entry carried.
    pub fn clock(&self) -> LogTime {
        self.clock
    }

    /// When the next held reservation ends, so that the leader knows when to log an `Expire`.
    pub fn next_expiry(&self) -> Option<LogTime> {
        self.expiring.first().map(|(at, _)| *at)
    }

    /// SKUs whose stock changed since the last call, in order of name.
    pub fn take_touched(&mut self) -> BTreeSet<Sku> {
        std::mem::take(&mut self.touched)
    }

    pub(crate) fn advance(&mut self, time: LogTime) {
        if time > self.clock {
            self.clock = time;
            self.dirty.insert(RecordKey::Clock);
        }
    }

    /// Drops what nobody may ask for again, a bounded number at a time.
    fn forget(&mut self) {
        for _ in 0..FORGET_PER_ENTRY {
            match self.forgettable.first() {
                Some((due, _)) if *due <= self.clock => {}
                _ => return,
            }
            let Some((_, id)) = self.forgettable.pop_first() else { return };
            if self.remembered.remove(&id).is_some() {
                self.dirty.insert(RecordKey::Remembered(id));
            } else if self.reservations.remove(&ReservationId::new(id)).is_some() {
                self.dirty.insert(RecordKey::Reservation(ReservationId::new(id)));
            }
        }
    }

    pub(crate) fn remember(&mut self, id: Uuid, fingerprint: [u8; 16], outcome: Outcome) -> Outcome {
        self.forgettable.insert((self.clock.plus_ms(REMEMBER_MS), id));
        self.dirty.insert(RecordKey::Remembered(id));
        self.remembered.insert(id, Remembered { fingerprint, at: self.clock, outcome: outcome.clone() });
        outcome
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
                let settled = reservation.changes.last().map(|(_, at, _)| *at).unwrap_or_default();
                self.forgettable.insert((settled.plus_ms(REMEMBER_MS), id.uuid()));
            }
        }
    }

    pub(crate) fn unindex(&mut self, id: ReservationId, reservation: &Reservation) {
        match reservation.state {
            State::Reserved => self.expiring.remove(&(reservation.expires_at, id)),
            State::Confirmed => self.unacknowledged.remove(&(reservation.confirmed_at().unwrap_or_default(), id)),
            State::Acknowledged | State::Released | State::Expired => false,
        };
    }
}
