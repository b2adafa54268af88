//! A reservation and its history.

use serde::{Deserialize, Serialize};
use storefront_types::{LocationId, Sku};

use super::{
    LogTime,
    outcome::{Code, Outcome, OutcomeLine},
};

/// Units taken from one location.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocated {
    pub location: LocationId,
    pub quantity: u64,
}

/// One SKU of a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservedLine {
    pub sku: Sku,
    pub allocations: Vec<Allocated>,
}

impl ReservedLine {
    pub fn quantity(&self) -> u64 {
        self.allocations.iter().map(|part| part.quantity).sum()
    }
}

/// The order of variants is frozen: states stand in records on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum State {
    Reserved,
    Confirmed,
    Acknowledged,
    Released,
    Expired,
}

/// The order of variants is frozen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    Reserved,
    Purchased,
    Confirmed,
    Extended,
    Released,
    Expired,
    Acknowledged,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Of the command that made it: a retry must have the same.
    pub fingerprint: [u8; 16],
    pub state: State,
    pub lines: Vec<ReservedLine>,
    /// Each change with its time and the version of each line's SKU after it, in the order of the lines.
    pub changes: Vec<(Change, LogTime, Vec<u64>)>,
    /// While reserved: when it ends by itself.
    pub expires_at: LogTime,
    /// Kept until acknowledged, released or expired.
    pub memo: Option<String>,
}

impl Reservation {
    /// The answer that the command which made this reservation got.
    pub(crate) fn first_outcome(&self) -> Outcome {
        let versions = self.changes.first().map_or(&[][..], |(_, _, versions)| versions);
        let held = matches!(self.changes.first(), Some((Change::Reserved, ..)));
        Outcome { expires_at: held.then_some(self.expires_at), ..self.outcome(Code::Ok, versions) }
    }

    /// An answer with the lines of the newest change of the given kind.
    pub(crate) fn outcome_of(&self, kind: Change) -> Outcome {
        let versions = self.changes.iter().rev().find(|(change, ..)| *change == kind);
        self.outcome(Code::Ok, versions.map_or(&[][..], |(_, _, versions)| versions))
    }

    fn outcome(&self, code: Code, versions: &[u64]) -> Outcome {
        let lines = self.lines.iter().enumerate().map(|(at, line)| OutcomeLine {
            sku: line.sku.clone(),
            version: versions.get(at).copied().unwrap_or_default(),
            allocations: line.allocations.as_slice().into(),
            shortage: None,
        });
        Outcome::with_lines(code, lines.collect())
    }

    /// Nothing can happen to it any more.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self.state, State::Acknowledged | State::Released | State::Expired)
    }

    /// When the last change was made.
    pub(crate) fn settled_at(&self) -> LogTime {
        self.changes.last().map(|(_, at, _)| *at).unwrap_or_default()
    }

    /// When it was confirmed, if it was.
    pub fn confirmed_at(&self) -> Option<LogTime> {
        let confirmed = |change: &&(Change, LogTime, Vec<u64>)| matches!(change.0, Change::Purchased | Change::Confirmed);
        self.changes.iter().find(confirmed).map(|(_, at, _)| *at)
    }
}
