//! The ledger as key-value records, in order of key: what snapshots hold, and what the state hash is taken over.

use std::convert::Infallible;

use serde::Serialize;
use storefront_types::{ReservationId, Sku};
use uuid::Uuid;

use super::{
    LogTime,
    levels::SkuStock,
    names::{NameIndex, Names},
    reservation::Reservation,
    state::{Inventory, Remembered},
    table::{FrozenPages, entry, placed},
    trail::{Record, TrailBuilder},
};
use crate::store::{
    codec,
    keys::{self, Kind},
};

/// A record that cannot be read back. The store is corrupt: rebuild it from a snapshot and the log.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("a record has a key of unknown kind {0:?}")]
    UnknownKey(Vec<u8>),
    #[error("the record under key {key:?} cannot be read: {source}")]
    Malformed { key: Vec<u8>, source: codec::CodecError },
}

/// The ledger as it was at one moment. Cheap to make; holds no lock and stops no writer.
#[derive(Clone, Debug)]
pub struct Frozen {
    clock: LogTime,
    skus: FrozenPages<Sku, SkuStock>,
    reservations: FrozenPages<ReservationId, Reservation>,
    remembered: FrozenPages<Uuid, Remembered>,
}

impl Inventory {
    pub fn freeze(&self) -> Frozen {
        Frozen {
            clock: self.clock,
            skus: self.skus.freeze(),
            reservations: self.reservations.freeze(),
            remembered: self.remembered.freeze(),
        }
    }

    /// BLAKE3 over all records in order of key, in hex: equal on every node at the same log index.
    pub fn state_hash(&self) -> String {
        self.freeze().state_hash()
    }
}

/// Gives a table's entries as records, in order of key. They are put in order shard by shard: to sort a 256th of a million entries needs
/// little memory, and stays in the caches.
fn each_of<K, V, E>(
    pages: &FrozenPages<K, V>,
    kind: Kind,
    name: impl Fn(&K) -> &[u8],
    give: &mut impl FnMut(&[u8], &[u8]) -> Result<(), E>,
) -> Result<(), E>
where
    K: Serialize,
    V: Serialize,
{
    let mut shards = vec![Vec::new(); 256];
    for (slot, (key, _)) in placed(pages) {
        shards[usize::from(keys::shard(name(key)))].push(slot);
    }
    for (shard, slots) in (0..=u8::MAX).zip(shards) {
        let mut found: Vec<_> = slots.into_iter().filter_map(|slot| entry(pages, slot)).collect();
        // Within a shard the order of records is the order of their names' bytes.
        found.sort_unstable_by(|(a, _), (b, _)| name(a).cmp(name(b)));
        for (key, value) in found {
            give(&keys::record(kind, shard, name(key)), &codec::encode(&(key, value)))?;
        }
    }
    Ok(())
}

impl Frozen {
    /// Gives every record, in order of key.
    pub fn each_record<E>(&self, mut give: impl FnMut(&[u8], &[u8]) -> Result<(), E>) -> Result<(), E> {
        give(&keys::clock(), &codec::encode(&self.clock))?;
        each_of(&self.skus, Kind::Sku, |sku| sku.as_str().as_bytes(), &mut give)?;
        each_of(&self.reservations, Kind::Reservation, |id| id.as_bytes(), &mut give)?;
        each_of(&self.remembered, Kind::Remembered, |id| id.as_bytes(), &mut give)
    }

    pub fn state_hash(&self) -> String {
        let mut hasher = RecordHasher::default();
        let hashed: Result<(), Infallible> = self.each_record(|key, value| {
            hasher.add(key, value);
            Ok(())
        });
        let Ok(()) = hashed;
        hasher.finish()
    }
}

/// BLAKE3 over records in the given order, each with the lengths of its parts.
#[derive(Default)]
pub(crate) struct RecordHasher(blake3::Hasher);

impl RecordHasher {
    pub(crate) fn add(&mut self, key: &[u8], value: &[u8]) {
        self.0.update(&(key.len() as u64).to_be_bytes());
        self.0.update(key);
        self.0.update(&(value.len() as u64).to_be_bytes());
        self.0.update(value);
    }

    pub(crate) fn finish(&self) -> String {
        self.0.finalize().to_hex().to_string()
    }
}

/// Builds a ledger from records in the order in which [`Frozen::each_record`] gives them: SKUs before what names them.
#[derive(Default)]
pub struct RecordLoader {
    state: Inventory,
    trails: TrailBuilder,
    /// Made when the SKUs are there.
    index: Option<NameIndex>,
}

impl RecordLoader {
    pub fn load(&mut self, key: &[u8], value: &[u8]) -> Result<(), RecordError> {
        let Self { state: Inventory { clock, skus, locations, reservations, remembered, .. }, trails, index } = self;
        let malformed = |source| RecordError::Malformed { key: key.to_vec(), source };
        match keys::kind(key) {
            Some(Kind::Clock) => *clock = codec::decode(value).map_err(malformed)?,
            Some(Kind::Sku) => {
                let (sku, mut stock): (Sku, SkuStock) = codec::decode(value).map_err(malformed)?;
                stock.at.share(locations);
                skus.insert(sku, stock);
            }
            Some(Kind::Reservation) => {
                let (id, found): (ReservationId, Reservation) = codec::decode(value).map_err(malformed)?;
                let at = reservations.insert(id, found);
                let tell = |sku, newer| trails.add(sku, newer, Record::Reservation(at));
                let names = Names { skus, locations, index: index.get_or_insert_with(|| NameIndex::of(skus)) };
                if let Some(found) = reservations.entry_mut(at) {
                    names.share_reservation(found, tell);
                }
            }
            Some(Kind::Remembered) => {
                let (id, known): (Uuid, Remembered) = codec::decode(value).map_err(malformed)?;
                let at = remembered.insert(id, known);
                let tell = |sku, newer| trails.add(sku, newer, Record::Remembered(at));
                let names = Names { skus, locations, index: index.get_or_insert_with(|| NameIndex::of(skus)) };
                if let Some(known) = remembered.entry_mut(at) {
                    names.share_answer(&mut known.answer, tell);
                }
            }
            None => return Err(RecordError::UnknownKey(key.to_vec())),
        }
        Ok(())
    }

    /// The ledger that has these records.
    pub fn finish(self) -> Inventory {
        let Self { mut state, trails, .. } = self;
        state.rebuild(trails);
        state
    }
}
