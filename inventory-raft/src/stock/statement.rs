//! What a SKU's movements lead from and to: an opening balance in which all that is not told of is summed up, and a closing one.
//!
//! Nobody writes balances down: they are found by taking movements back from the stock as it is. A SKU may have millions of
//! movements, so that is done in steps, between which the ledger goes on.

use std::collections::BTreeMap;

use storefront_types::{LocationId, Sku};

use super::{
    levels::{Level, SkuStock},
    movements::Movement,
    state::Inventory,
};

/// The levels of a SKU at one of its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    pub version: u64,
    pub levels: BTreeMap<LocationId, Level>,
}

impl Balance {
    fn of(stock: &SkuStock) -> Self {
        Self { version: stock.version, levels: stock.at.iter().cloned().collect() }
    }

    /// Goes back to what was before the movement that led to this balance.
    fn take_back(&mut self, movement: &Movement) {
        assert_eq!(self.version, movement.version, "movements are taken back newest first");
        for change in &movement.changes {
            let level = self.levels.entry(change.location.clone()).or_default();
            let before = |now: u64, change: i64| now.checked_add_signed(-change);
            let (Some(on_hand), Some(reserved)) =
                (before(level.on_hand, change.on_hand), before(level.reserved, change.reserved))
            else {
                unreachable!("a movement led to this balance from one that was there");
            };
            *level = Level { on_hand, reserved };
        }
        self.version -= 1;
    }
}

/// How far a statement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    More,
    /// The movements from the opening balance to the closing one are told of.
    Whole,
    /// Movements were forgotten that had been taken back already: begin again.
    Overtaken,
}

/// Balances before and after a SKU's newest movements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub opening: Balance,
    pub closing: Balance,
    /// The oldest version that is wanted.
    wanted: u64,
}

impl Statement {
    /// A statement of the SKU's `last` movements, or of all that are told of. `None`: the SKU is not known.
    pub fn begin(state: &Inventory, sku: &Sku, last: Option<u64>) -> Option<Self> {
        let closing = Balance::of(state.stock(sku)?);
        let wanted = last.map_or(0, |last| (closing.version + 1).saturating_sub(last));
        Some(Self { opening: closing.clone(), closing, wanted })
    }

    /// Takes at most `most` further movements back.
    pub fn step(&mut self, state: &Inventory, sku: &Sku, most: u64) -> Step {
        let Some(told) = state.told(sku) else { return Step::Overtaken };
        if self.opening.version + 1 < told.oldest {
            return Step::Overtaken;
        }
        let first = self.wanted.max(told.oldest);
        let next = first.max((self.opening.version + 1).saturating_sub(most));
        for movement in state.movements(sku, next..=self.opening.version).rev() {
            self.opening.take_back(&movement);
        }
        if self.opening.version < first { Step::Whole } else { Step::More }
    }
}
