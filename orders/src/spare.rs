//! A bounded second copy, in this process, of what only Redis has while PostgreSQL is away.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Entries; a cart has some 500 bytes, and 10 KiB at most: 20,000 are about 10 MB.
const MOST: usize = 20_000;

/// Cheap to clone; clones share the entries.
pub(crate) struct Spare<K, V>(Arc<Mutex<BTreeMap<K, V>>>);

impl<K, V> Clone for Spare<K, V> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Ord + Copy, V: Clone + PartialEq> Spare<K, V> {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(BTreeMap::new())))
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn get(&self, key: K) -> Option<V> {
        self.entries().get(&key).cloned()
    }

    /// Past the bound, Redis alone has it.
    pub(crate) fn keep(&self, key: K, value: V) {
        let mut entries = self.entries();
        if entries.len() < MOST || entries.contains_key(&key) {
            entries.insert(key, value);
        } else {
            metrics::counter!("orders_spare_full_total").increment(1);
        }
    }

    /// Only if it was not changed meanwhile.
    pub(crate) fn forget(&self, key: K, value: &V) {
        let mut entries = self.entries();
        if entries.get(&key) == Some(value) {
            entries.remove(&key);
        }
    }

    pub(crate) fn all(&self) -> Vec<(K, V)> {
        self.entries().iter().map(|(key, value)| (*key, value.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_meanwhile_is_kept_and_no_more_than_there_is_room_for() {
        let spare = Spare::new();
        spare.keep(0, "old");
        spare.keep(0, "new");
        spare.forget(0, &"old");
        assert_eq!(spare.get(0), Some("new"));
        spare.forget(0, &"new");
        assert!(spare.all().is_empty());
        for n in 0..=MOST {
            spare.keep(n, "x");
        }
        assert_eq!((spare.all().len(), spare.get(MOST)), (MOST, None));
    }
}
