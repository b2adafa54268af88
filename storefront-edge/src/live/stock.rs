//! Available units of every SKU, in little memory.
//!
//! A SKU is its hash of 64 bits, with keys of this process: among a million SKUs two share one with a probability of 3 in 100 million, and
//! then one of them shows the other's number, which promises nothing.
//!
//! 25 bytes a place (8 hash, 8 version, 8 available, 1 control), 29 to 57 bytes a SKU: 52 MB for a million.

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState},
    sync::{PoisonError, RwLock, RwLockWriteGuard},
};

/// Tables with a lock each: a table that grows keeps the readers of one in 64 SKUs waiting, for under a millisecond.
const TABLES: usize = 64;

/// SKUs of one table: 4,194,304 in all, 200 MB. What comes after shows the catalog's number.
const MAX_PER_TABLE: usize = 65_536;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    /// Of the SKU in the inventory; counts up.
    pub(super) version: u64,
    pub(super) available: u64,
}

/// The keys are hashes already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut whole = [0; 8];
            whole[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(whole));
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 ^= key;
    }
}

type Table = HashMap<u64, Level, BuildHasherDefault<AsItIs>>;

pub(super) struct Stock {
    keys: RandomState,
    tables: Box<[RwLock<Table>]>,
}

impl Default for Stock {
    fn default() -> Self {
        let tables = std::iter::repeat_with(RwLock::default).take(TABLES).collect();
        Self { keys: RandomState::new(), tables }
    }
}

impl Stock {
    pub(super) fn key(&self, sku: &str) -> u64 {
        self.keys.hash_one(sku)
    }

    /// By bits that neither choose the place in the table (the low ones) nor its control byte (the highest seven).
    fn table(&self, key: u64) -> &RwLock<Table> {
        let [.., six, _] = key.to_le_bytes();
        &self.tables[usize::from(six) % TABLES]
    }

    fn write(&self, key: u64) -> RwLockWriteGuard<'_, Table> {
        self.table(key).write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, sku: &str) -> Option<Level> {
        let key = self.key(sku);
        self.table(key).read().unwrap_or_else(PoisonError::into_inner).get(&key).copied()
    }

    /// Takes a level unless a newer one is known; gives whether shoppers see a difference. A listing of everything is believed as it is,
    /// also when its versions are lower: the inventory may have been restored.
    pub(super) fn hear(&self, sku: &str, level: Level, is_listing: bool) -> bool {
        let key = self.key(sku);
        let mut table = self.write(key);
        let before = table.get(&key).copied();
        let is_old = !is_listing && before.is_some_and(|before| before.version >= level.version);
        if is_old || (before.is_none() && table.len() >= MAX_PER_TABLE) {
            return false;
        }
        table.insert(key, level);
        before.is_none_or(|before| before.available != level.available)
    }

    /// Forgets all other keys, and gives those that it had.
    pub(super) fn forget_all_but(&self, listed: &HashSet<u64>) -> Vec<u64> {
        let mut forgotten = Vec::new();
        for table in &self.tables {
            let mut table = table.write().unwrap_or_else(PoisonError::into_inner);
            forgotten.extend(table.extract_if(|key, _| !listed.contains(key)).map(|(key, _)| key));
        }
        forgotten
    }

    pub(super) fn len(&self) -> usize {
        self.tables.iter().map(|table| table.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    #[cfg(test)]
    fn bytes(&self) -> usize {
        let places = |table: &Table| (table.capacity() * 8 / 7).next_power_of_two();
        let place = size_of::<(u64, Level)>() + 1;
        self.tables.iter().map(|table| places(&table.read().unwrap()) * place).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(version: u64, available: u64) -> Level {
        Level { version, available }
    }

    #[test]
    fn only_a_newer_version_counts_but_a_listing_is_believed() {
        let stock = Stock::default();
        assert_eq!(stock.get("a"), None);
        assert!(stock.hear("a", level(3, 10), false));
        assert!(!stock.hear("a", level(2, 99), false) && stock.get("a") == Some(level(3, 10)));
        assert!(!stock.hear("a", level(4, 10), false), "nobody sees a difference");
        assert!(stock.hear("a", level(5, 9), false));
        assert!(stock.hear("a", level(1, 7), true) && stock.get("a") == Some(level(1, 7)));
        assert!(stock.hear("b", level(1, 7), true) && stock.len() == 2);
    }

    #[test]
    fn a_million_skus_take_little_memory_and_more_than_the_bound_are_refused() {
        let stock = Stock::default();
        for n in 0..1_000_000_u64 {
            stock.hear(&format!("SKU-{n}"), level(1, n), false);
        }
        assert_eq!((stock.len(), stock.get("SKU-999999")), (1_000_000, Some(level(1, 999_999))));
        let per_sku = stock.bytes() / 1_000_000;
        assert!(per_sku <= 57, "{per_sku} bytes a SKU");
        for n in 1_000_000..4_500_000_u64 {
            stock.hear(&format!("SKU-{n}"), level(1, n), false);
        }
        assert!(stock.len() <= TABLES * MAX_PER_TABLE && stock.len() > 4_100_000, "{}", stock.len());
    }
}
