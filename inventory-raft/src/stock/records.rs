//! The ledger as key-value records: what sled and snapshots hold, and what the state hash is taken over.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use storefront_types::{ReservationId, Sku};
use uuid::Uuid;

use super::{
    levels::SkuStock,
    reservation::Reservation,
    state::{Inventory, REMEMBER_MS, Remembered},
};
use crate::store::{codec, keys};

/// Which record changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordKey {
    Clock,
    Sku(Sku),
    Reservation(ReservationId),
    Remembered(Uuid),
}

/// One record of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SnapshotRecord {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// A record to write (`Some`) or delete (`None`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordChange {
    pub key: Vec<u8>,
    pub value: Option<Vec<u8>>,
}

/// A record that cannot be read back. The store is corrupt: rebuild it from a snapshot and the log.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a record has a key of unknown kind {0:?}")]
    UnknownKey(Vec<u8>),
    #[error("the record under key {key:?} cannot be read: {source}")]
    Malformed { key: Vec<u8>, source: codec::CodecError },
}

impl RecordKey {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Clock => keys::clock(),
            Self::Sku(sku) => keys::sku(sku),
            Self::Reservation(id) => keys::reservation(*id),
            Self::Remembered(id) => keys::remembered(*id),
        }
    }
}

impl Inventory {
    /// What changed since the last call, as writes and deletes.
    pub fn take_changes(&mut self) -> Vec<RecordChange> {
        let dirty = std::mem::take(&mut self.dirty);
        dirty.iter().map(|key| RecordChange { key: key.bytes(), value: self.value(key) }).collect()
    }

    /// Marks every record for writing down, after the whole state was replaced.
    pub fn mark_all_dirty(&mut self) {
        self.dirty = self.all_keys().collect();
    }

    fn all_keys(&self) -> impl Iterator<Item = RecordKey> {
        let skus = self.skus.keys().cloned().map(RecordKey::Sku);
        let reservations = self.reservations.keys().copied().map(RecordKey::Reservation);
        let remembered = self.remembered.keys().copied().map(RecordKey::Remembered);
        std::iter::once(RecordKey::Clock).chain(skus).chain(reservations).chain(remembered)
    }

    fn value(&self, key: &RecordKey) -> Option<Vec<u8>> {
        match key {
            RecordKey::Clock => Some(codec::encode(&self.clock)),
            RecordKey::Sku(sku) => self.skus.get(sku).map(|stock| codec::encode(&(sku, stock))),
            RecordKey::Reservation(id) => self.reservations.get(id).map(|found| codec::encode(&(id, found))),
            RecordKey::Remembered(id) => self.remembered.get(id).map(|known| codec::encode(&(id, known))),
        }
    }

    /// Every record in order of key.
    pub fn records(&self) -> Vec<SnapshotRecord> {
        let mut records: Vec<SnapshotRecord> =
            self.all_keys().filter_map(|key| Some(SnapshotRecord { key: key.bytes(), value: self.value(&key)? })).collect();
        records.sort_unstable();
        records
    }

    /// BLAKE3 over all records in order of key, in hex: equal on every node at the same log index.
    pub fn state_hash(&self) -> String {
        hash_records(&self.records())
    }

    /// The ledger that has these records, in any order.
    pub fn from_records<'a>(records: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Result<Self, RecordError> {
        let mut state = Self::default();
        for (key, value) in records {
            state.load(key, value)?;
        }
        let known: BTreeSet<_> = state.skus.values().flat_map(|stock| stock.at.keys().cloned()).collect();
        state.locations = known;
        Ok(state)
    }

    fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), RecordError> {
        let malformed = |source| RecordError::Malformed { key: key.to_vec(), source };
        match keys::kind(key) {
            Some(keys::Kind::Clock) => self.clock = codec::decode(value).map_err(malformed)?,
            Some(keys::Kind::Sku) => {
                let (sku, stock): (Sku, SkuStock) = codec::decode(value).map_err(malformed)?;
                self.skus.insert(sku, stock);
            }
            Some(keys::Kind::Reservation) => {
                let (id, reservation): (ReservationId, Reservation) = codec::decode(value).map_err(malformed)?;
                self.index(id, &reservation);
                self.reservations.insert(id, reservation);
            }
            Some(keys::Kind::Remembered) => {
                let (id, known): (Uuid, Remembered) = codec::decode(value).map_err(malformed)?;
                self.forgettable.insert((known.at.plus_ms(REMEMBER_MS), id));
                self.remembered.insert(id, known);
            }
            None => return Err(RecordError::UnknownKey(key.to_vec())),
        }
        Ok(())
    }
}

/// BLAKE3 over records in the given order, each with the lengths of its parts.
pub(crate) fn hash_records(records: &[SnapshotRecord]) -> String {
    let mut hasher = blake3::Hasher::new();
    for record in records {
        hasher.update(&(record.key.len() as u64).to_be_bytes());
        hasher.update(&record.key);
        hasher.update(&(record.value.len() as u64).to_be_bytes());
        hasher.update(&record.value);
    }
    hasher.finalize().to_hex().to_string()
}
