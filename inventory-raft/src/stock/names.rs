//! One copy of each name: millions of records that name a SKU or a location share the ledger's own text.
//!
//! Owns: putting it into records that are read back. Must not: change what a record says.

use std::collections::BTreeSet;

use storefront_types::{LocationId, Sku};

use super::{
    levels::SkuStock,
    movement::Answer,
    movements::told_by_reservation,
    reservation::Reservation,
    table::{Slot, Table},
};

/// Finds SKUs while a ledger is read back: at three to four records for each SKU, walking the table's tree for each of them would
/// take longer than reading it.
#[derive(Debug, Default)]
pub(crate) struct NameIndex {
    /// Slots, each at the first free place from where its hash points, with the rest of the hash beside it. At least half are
    /// free, so that what is looked for is near, or not there.
    places: Vec<Option<(Slot, u32)>>,
}

/// A place, before it is cut to the length of the index, and a tag. Nobody can choose names that all go to one place.
fn hash(sku: &Sku) -> (usize, u32) {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(sku.as_str().as_bytes()).as_bytes();
    (u32::from_be_bytes([a, b, c, d]) as usize, u32::from_be_bytes([e, f, g, h]))
}

impl NameIndex {
    pub(crate) fn of(skus: &Table<Sku, SkuStock>) -> Self {
        let mut places = vec![None; (2 * skus.len()).next_power_of_two()];
        let last = places.len() - 1;
        for (slot, (sku, _)) in skus.placed() {
            let (mut at, tag) = hash(sku);
            while places[at & last].is_some() {
                at += 1;
            }
            places[at & last] = Some((slot, tag));
        }
        Self { places }
    }

    fn find(&self, skus: &Table<Sku, SkuStock>, sku: &Sku) -> Option<Slot> {
        let (mut at, wanted) = hash(sku);
        let last = self.places.len().checked_sub(1)?;
        while let Some((slot, tag)) = self.places[at & last] {
            if tag == wanted && skus.entry(slot).is_some_and(|(own, _)| own == sku) {
                return Some(slot);
            }
            at += 1;
        }
        None
    }
}

/// The names that the ledger has.
pub(crate) struct Names<'a> {
    pub(crate) skus: &'a Table<Sku, SkuStock>,
    pub(crate) locations: &'a BTreeSet<LocationId>,
    pub(crate) index: &'a NameIndex,
}

impl<'a> Names<'a> {
    fn find(&self, sku: &Sku) -> Option<(Slot, &'a (Sku, SkuStock))> {
        let slot = self.index.find(self.skus, sku)?;
        Some((slot, self.skus.entry(slot)?))
    }

    /// Also says how far back the changes lie that the reservation tells of: SKU, and how many newer versions it has.
    pub(crate) fn share_reservation(&self, found: &mut Reservation, mut tell: impl FnMut(Slot, u64)) {
        for at in 0..found.lines.len() {
            let Some((slot, (own, stock))) = self.find(&found.lines[at].sku) else { continue };
            let line = &mut found.lines[at];
            line.sku = own.clone();
            for part in &mut line.allocations {
                let known = stock.at.iter().find(|(location, _)| *location == part.location);
                part.location = known.map_or_else(|| part.location.clone(), |(own, _)| own.clone());
            }
            told_by_reservation(found, at).for_each(|version| tell(slot, stock.version.saturating_sub(version)));
        }
    }

    /// As [`Self::share_reservation`].
    pub(crate) fn share_answer(&self, answer: &mut Answer, mut tell: impl FnMut(Slot, u64)) {
        let Answer::Made(made) = answer else { return };
        let Some((slot, (own, stock))) = self.find(&made.sku) else { return };
        made.sku = own.clone();
        made.what.locations_mut().for_each(|at| *at = self.locations.get(at).unwrap_or(at).clone());
        tell(slot, stock.version.saturating_sub(made.version));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        let sku = |n: u32| Sku::parse(&format!("sku-{n}")).unwrap();
        let mut skus = Table::default();
        assert_eq!(NameIndex::of(&skus).find(&skus, &sku(1)), None);
        let slots: Vec<Slot> = (0..1_000).map(|n| skus.insert(sku(n), SkuStock::default())).collect();
        let index = NameIndex::of(&skus);
        let found = |n: u32| index.find(&skus, &sku(n));
        assert!((0..1_000).zip(slots).all(|(n, slot)| found(n) == Some(slot)));
        assert!((1_000..3_000).all(|n| found(n).is_none()));
    }
}
