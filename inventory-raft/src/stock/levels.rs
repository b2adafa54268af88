//! Stock of one SKU over its locations.

use std::collections::BTreeMap;

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
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkuStock {
    /// 1, 2, 3, ...: one for each change.
    pub version: u64,
    pub totals: StockTotals,
    pub at: BTreeMap<LocationId, Level>,
}

impl SkuStock {
    pub fn on_hand(&self) -> u64 {
        self.at.values().map(|level| level.on_hand).sum()
    }

    pub fn reserved(&self) -> u64 {
        self.at.values().map(|level| level.reserved).sum()
    }

    pub fn available(&self) -> u64 {
        self.at.values().map(|level| level.available()).sum()
    }
}
