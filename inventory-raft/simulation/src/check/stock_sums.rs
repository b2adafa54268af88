//! Conservation: what came in is there or was sold, and what is promised is there.

use std::collections::BTreeMap;

use inventory_raft::stock::{Inventory, State};
use storefront_types::{LocationId, Sku};

/// More than any run has.
const ALL: usize = 1_000_000;

/// Looks at every SKU of a ledger.
pub(super) fn check(inventory: &Inventory) -> Result<(), String> {
    let mut promised: BTreeMap<(&Sku, &LocationId), u64> = BTreeMap::new();
    for (_, reservation) in inventory.reservations(Some(State::Reserved), None, ALL) {
        for line in &reservation.lines {
            for part in &line.allocations {
                *promised.entry((&line.sku, &part.location)).or_default() += part.quantity;
            }
        }
    }
    for (sku, stock) in inventory.stock_page(None, ALL) {
        let totals = stock.totals;
        let expected = i128::from(totals.received) + i128::from(totals.adjusted) - i128::from(totals.sold);
        if expected != i128::from(stock.on_hand()) {
            return Err(format!("{} units of {sku} are on hand, and {expected} came in and were not sold", stock.on_hand()));
        }
        for (location, level) in stock.at.iter() {
            let open = promised.remove(&(sku, location)).unwrap_or_default();
            if level.reserved != open {
                return Err(format!("{} units of {sku} at {location} are reserved, by reservations {open}", level.reserved));
            }
            if level.reserved > level.on_hand {
                return Err(format!("{sku} at {location} is oversold: {} reserved, {} on hand", level.reserved, level.on_hand));
            }
        }
    }
    match promised.first_key_value() {
        Some(((sku, location), units)) => Err(format!("{units} units of {sku} are reserved at {location}, which has none")),
        None => Ok(()),
    }
}
