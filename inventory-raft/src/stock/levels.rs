//! Stock of one SKU over its locations.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use storefront_types::LocationId;

/// `reserved <= on_hand`, always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    pub on_hand: u64,
    pub reserved: u64,
}

impl Level {
    pub fn available(self) -> u64 {
        self.on_hand - self.reserved
    }
}

/// Everything that ever went in and out: `received + adjusted - sold = on_hand`, summed over the locations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockTotals {
    pub received: u64,
    pub adjusted: i64,
    pub sold: u64,
    /// Units that counts found missing and that could not be taken off, because they were already promised.
    pub short: u64,
}

/// The known copy of a name, which becomes known by being asked for.
pub(crate) fn share(known: &mut BTreeSet<LocationId>, location: &LocationId) -> LocationId {
    if let Some(own) = known.get(location) {
        return own.clone();
    }
    known.insert(location.clone());
    location.clone()
}

/// Levels by location, in order of name. A SKU lies at few locations, so a sorted list is smaller and faster than a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels(Vec<(LocationId, Level)>);

impl Levels {
    fn place(&self, location: &LocationId) -> Result<usize, usize> {
        self.0.binary_search_by(|(at, _)| at.cmp(location))
    }

    pub fn get(&self, location: &LocationId) -> Option<Level> {
        self.place(location).ok().map(|at| self.0[at].1)
    }

    /// The level at a location, which becomes known by being asked for.
    pub(crate) fn at_mut(&mut self, location: &LocationId) -> &mut Level {
        let at = self.place(location).unwrap_or_else(|at| {
            self.0.reserve_exact(1);
            self.0.insert(at, (location.clone(), Level::default()));
            at
        });
        &mut self.0[at].1
    }

    /// Puts the known copies in place of the names, so that a million SKUs share them.
    pub(crate) fn share(&mut self, known: &mut BTreeSet<LocationId>) {
        for (location, _) in &mut self.0 {
            *location = share(known, location);
        }
        self.0.shrink_to_fit();
    }

    pub fn iter(&self) -> impl Iterator<Item = &(LocationId, Level)> {
        self.0.iter()
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuStock {
    /// 1, 2, 3, ...: one for each change.
    pub version: u64,
    pub totals: StockTotals,
    pub at: Levels,
}

impl SkuStock {
    fn sum(&self, of: impl Fn(&Level) -> u64) -> u64 {
        self.at.iter().map(|(_, level)| of(level)).sum()
    }

    pub fn on_hand(&self) -> u64 {
        self.sum(|level| level.on_hand)
    }

    pub fn reserved(&self) -> u64 {
        self.sum(|level| level.reserved)
    }

    pub fn available(&self) -> u64 {
        self.sum(|level| level.available())
    }
}
