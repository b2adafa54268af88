//! Which record tells of each change of a SKU: the way from a SKU to its movements.
//!
//! Owns: for each SKU, the places of the records of its newest changes without a gap. Must not: hold what happened; the records do.
//! A change costs four bytes here. It is built anew from the records at every start, and no hash depends on it.

use std::collections::VecDeque;

use super::table::Slot;

/// The record that tells of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    Reservation(Slot),
    Remembered(Slot),
}

/// A record in four bytes: its slot, and in the highest bit its table. 2^31 records do not fit into any node's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Packed(u32);

const IN_REMEMBERED: u32 = 1 << 31;

/// No record: it was not found (yet).
const NOWHERE: Packed = Packed(u32::MAX);

impl From<Record> for Packed {
    fn from(record: Record) -> Self {
        let (slot, table) = match record {
            Record::Reservation(slot) => (slot, 0),
            Record::Remembered(slot) => (slot, IN_REMEMBERED),
        };
        assert!(slot.number() < IN_REMEMBERED - 1, "more records than a trail can name");
        Self(slot.number() | table)
    }
}

impl From<Packed> for Record {
    fn from(Packed(bits): Packed) -> Self {
        let slot = Slot::of(bits & !IN_REMEMBERED);
        if bits & IN_REMEMBERED == 0 { Self::Reservation(slot) } else { Self::Remembered(slot) }
    }
}

/// Versions are dense, so the newest version says which one each place stands for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trails {
    /// By slot of the SKU; oldest change first.
    of: Vec<VecDeque<Packed>>,
    /// SKUs changed by the command that is being applied, whose record is not made yet.
    changed: Vec<Slot>,
}

impl Trails {
    /// A SKU's version was counted up; [`Self::told_by`] says where.
    pub(crate) fn changed(&mut self, sku: Slot) {
        self.changed.push(sku);
    }

    /// This record tells of all changes since the last one.
    pub(crate) fn told_by(&mut self, record: Record) {
        for sku in self.changed.drain(..) {
            let at = sku.number() as usize;
            if self.of.len() <= at {
                self.of.resize_with(at + 1, VecDeque::new);
            }
            self.of[at].push_back(record.into());
        }
    }

    /// The record of `version` goes, and what is older goes with it, so that no gap is left. `newest` is the SKU's version.
    pub(crate) fn forget(&mut self, sku: Slot, version: u64, newest: u64) {
        let Some(trail) = self.of.get_mut(sku.number() as usize) else { return };
        let newer = usize::try_from(newest.saturating_sub(version)).unwrap_or(usize::MAX);
        trail.drain(..trail.len().saturating_sub(newer));
        if trail.len() < trail.capacity() / 4 {
            trail.shrink_to(trail.len() * 2);
        }
    }

    /// How many of the SKU's newest changes are told of.
    pub(crate) fn len(&self, sku: Slot) -> usize {
        self.of.get(sku.number() as usize).map_or(0, VecDeque::len)
    }

    /// The record of the SKU's change number `at`, counted from the oldest that is told of.
    pub(crate) fn record(&self, sku: Slot, at: usize) -> Option<Record> {
        self.of.get(sku.number() as usize)?.get(at).map(|packed| (*packed).into())
    }
}

/// Finds the trails of a ledger that is read back, from records in any order.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrailBuilder {
    /// How many newer versions the SKU has.
    found: Vec<(Slot, Packed, u32)>,
    /// Changes found, by slot of the SKU.
    counts: Vec<u32>,
}

impl TrailBuilder {
    /// The record tells how the SKU came to a version after which there are `newer` ones.
    pub(crate) fn add(&mut self, sku: Slot, newer: u64, record: Record) {
        // So far back there is a gap: nobody holds so many records.
        let Ok(newer) = u32::try_from(newer) else { return };
        let at = sku.number() as usize;
        self.counts.resize(self.counts.len().max(at + 1), 0);
        self.counts[at] += 1;
        self.found.push((sku, record.into(), newer));
    }

    pub(crate) fn build(self) -> Trails {
        let empty = |count: &u32| VecDeque::from(vec![NOWHERE; *count as usize]);
        let mut of: Vec<VecDeque<Packed>> = self.counts.iter().map(empty).collect();
        for (sku, record, newer) in self.found {
            let trail = &mut of[sku.number() as usize];
            // Further back than there are records, there is a gap before it.
            if let Some(at) = trail.len().checked_sub(newer as usize).and_then(|after| after.checked_sub(1)) {
                trail[at] = record;
            }
        }
        for trail in &mut of {
            if let Some(gap) = trail.iter().rposition(|record| *record == NOWHERE) {
                trail.drain(..=gap);
                trail.shrink_to_fit();
            }
        }
        Trails { of, changed: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_back_ends_at_the_first_gap() {
        let (sku, record) = (Slot::of(1), |n| Record::Remembered(Slot::of(n)));
        let mut builder = TrailBuilder::default();
        // Versions 9, 3, one from long ago, 8 and 6 of 9.
        for newer in [0, 6, 1 << 40, 1, 3] {
            builder.add(sku, newer, record(9_u32.saturating_sub(u32::try_from(newer).unwrap_or(9))));
        }
        let mut trails = builder.build();
        assert_eq!((trails.len(sku), trails.len(Slot::of(0)), trails.len(Slot::of(7))), (2, 0, 0));
        assert_eq!((trails.record(sku, 0), trails.record(sku, 1)), (Some(record(8)), Some(record(9))));
        trails.changed(sku);
        trails.told_by(Record::Reservation(Slot::of(4)));
        assert_eq!(trails.record(sku, 2), Some(Record::Reservation(Slot::of(4))));
        trails.forget(sku, 9, 10);
        assert_eq!((trails.len(sku), trails.record(sku, 0)), (1, Some(Record::Reservation(Slot::of(4)))));
        // What is gone already is not taken off again.
        trails.forget(sku, 8, 10);
        assert_eq!(trails.len(sku), 1);
    }
}
