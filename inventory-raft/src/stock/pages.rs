//! The ledger as pages: what is written down behind the log. A page holds many entries, so that the disk's store sees a few
//! large values in place of a key for each reservation.

use std::sync::Arc;

use serde::{Serialize, de::DeserializeOwned};
use storefront_types::{ReservationId, Sku};
use uuid::Uuid;

use super::{
    LogTime,
    levels::SkuStock,
    records::RecordError,
    reservation::Reservation,
    state::{Inventory, Remembered},
    table::{Page, Table},
};
use crate::store::{
    codec,
    keys::{self, Kind},
};

/// A page's key and its encoded entries.
pub type StoredPage = (Vec<u8>, Vec<u8>);

/// Pages that changed, not yet encoded: taking them is quick, so it may be done under the ledger's lock.
#[derive(Debug)]
pub struct ChangedPages {
    clock: LogTime,
    skus: Vec<(u32, Arc<Page<Sku, SkuStock>>)>,
    reservations: Vec<(u32, Arc<Page<ReservationId, Reservation>>)>,
    remembered: Vec<(u32, Arc<Page<Uuid, Remembered>>)>,
}

fn encoded<K: Serialize, V: Serialize>(kind: Kind, pages: &[(u32, Arc<Page<K, V>>)]) -> impl Iterator<Item = StoredPage> {
    pages.iter().map(move |(number, page)| (keys::page(kind, *number), codec::encode(&**page)))
}

impl ChangedPages {
    /// Nothing but perhaps the clock changed.
    pub fn is_empty(&self) -> bool {
        self.skus.is_empty() && self.reservations.is_empty() && self.remembered.is_empty()
    }

    pub fn encode(&self) -> impl Iterator<Item = StoredPage> {
        let clock = (keys::page(Kind::Clock, 0), codec::encode(&self.clock));
        let skus = encoded(Kind::Sku, &self.skus);
        let reservations = encoded(Kind::Reservation, &self.reservations);
        std::iter::once(clock).chain(skus).chain(reservations).chain(encoded(Kind::Remembered, &self.remembered))
    }
}

fn decoded<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, RecordError> {
    codec::decode(value).map_err(|source| RecordError::Malformed { key: key.to_vec(), source })
}

fn table<K, V>(pages: &[StoredPage], kind: Kind) -> Result<Table<K, V>, RecordError>
where
    K: Ord + Clone + DeserializeOwned,
    V: Clone + DeserializeOwned,
{
    let mut numbered = Vec::new();
    for (key, value) in pages.iter().filter(|(key, _)| keys::kind(key) == Some(kind)) {
        let number = keys::page_number(key).ok_or_else(|| RecordError::UnknownKey(key.clone()))?;
        numbered.push((number, decoded::<Page<K, V>>(key, value)?));
    }
    Ok(Table::from_pages(numbered))
}

impl Inventory {
    /// What changed since the last call.
    pub fn take_changes(&mut self) -> ChangedPages {
        ChangedPages {
            clock: self.clock,
            skus: self.skus.take_changed(),
            reservations: self.reservations.take_changed(),
            remembered: self.remembered.take_changed(),
        }
    }

    /// The ledger that has these pages.
    pub fn from_pages(pages: &[StoredPage]) -> Result<Self, RecordError> {
        let clock = pages.iter().find(|(key, _)| keys::kind(key) == Some(Kind::Clock));
        let clock = clock.map(|(key, value)| decoded(key, value)).transpose()?;
        let mut state = Self {
            clock: clock.unwrap_or_default(),
            skus: table(pages, Kind::Sku)?,
            reservations: table(pages, Kind::Reservation)?,
            remembered: table(pages, Kind::Remembered)?,
            ..Self::default()
        };
        let trails = state.share_names();
        state.rebuild(trails);
        Ok(state)
    }
}
