//! Reads of the ledger.

use std::ops::Bound;

use storefront_types::{ReservationId, Sku};

use super::{
    LogTime,
    levels::SkuStock,
    reservation::{Reservation, State},
    state::Inventory,
};

/// Where a page of confirmed reservations ended.
pub type ConfirmedCursor = (LogTime, ReservationId);

impl Inventory {
    pub fn stock(&self, sku: &Sku) -> Option<&SkuStock> {
        self.skus.get(sku)
    }

    /// SKUs after `after` in order of name, at most `limit`.
    pub fn stock_page(&self, after: Option<&Sku>, limit: usize) -> Vec<(&Sku, &SkuStock)> {
        self.skus.after(after).take(limit).map(|(sku, stock)| (sku, stock)).collect()
    }

    pub fn reservation(&self, id: ReservationId) -> Option<&Reservation> {
        self.reservations.get(&id)
    }

    /// Confirmed and unacknowledged since before `before`, oldest first, at most `limit`.
    pub fn confirmed(
        &self,
        before: LogTime,
        after: Option<ConfirmedCursor>,
        limit: usize,
    ) -> Vec<(ConfirmedCursor, &Reservation)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let due = self.unacknowledged.range((from, Bound::Unbounded)).take_while(|(at, _)| *at <= before).take(limit);
        due.filter_map(|cursor| Some((*cursor, self.reservations.get(&cursor.1)?))).collect()
    }

    /// Reservations in order of id, at most `limit`, of one state if given.
    pub fn reservations(
        &self,
        state: Option<State>,
        after: Option<ReservationId>,
        limit: usize,
    ) -> Vec<(ReservationId, &Reservation)> {
        let found = self.reservations.after(after.as_ref());
        let wanted = found.filter(|(_, found)| state.is_none_or(|state| found.state == state));
        wanted.take(limit).map(|(id, found)| (*id, found)).collect()
    }
}
