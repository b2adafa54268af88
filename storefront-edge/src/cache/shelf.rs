//! L1: stored answers in this process, bounded by bytes.

use std::sync::Arc;

use http::HeaderMap;
use quick_cache::{Weighter, sync::Cache};

use super::{Key, KeyRef, Stored};

/// Answers that the shelf is laid out for: one for each 4 KiB.
const EXPECTED_BYTES: u64 = 4 * 1024;

/// Answers of one key that differ in what `Vary` names; the oldest gives way.
const MAX_VARIANTS: usize = 16;

/// Answers of one key, the newest first.
type Variants = Arc<[Arc<Stored>]>;

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Variants> for Weigh {
    fn weight(&self, key: &Key, variants: &Variants) -> u64 {
        let stored: u64 = variants.iter().map(|stored| stored.weight()).sum();
        (key.authority.len() + key.target.len()) as u64 + stored
    }
}

/// What is stored for a request.
pub(crate) enum Found {
    Match(Arc<Stored>),
    /// Only answers for other values of the selecting fields.
    Others,
    Nothing,
}

pub(crate) struct Shelf {
    cache: Cache<Key, Variants, Weigh>,
    max_item_bytes: u64,
}

impl Shelf {
    /// `bytes` in all. One answer takes at most 1/16 of them.
    pub(crate) fn new(bytes: u64) -> Self {
        let items = usize::try_from(bytes / EXPECTED_BYTES).unwrap_or(usize::MAX).max(16);
        Self { cache: Cache::with_weighter(items, bytes, Weigh), max_item_bytes: bytes / 16 }
    }

    /// Largest body that is worth reading to its end for storing it.
    pub(crate) fn max_body_bytes(&self) -> u64 {
        self.max_item_bytes
    }

    pub(crate) fn get(&self, key: KeyRef<'_>, request: &HeaderMap) -> Found {
        let Some(variants) = self.cache.get(&key) else { return Found::Nothing };
        match variants.iter().find(|stored| stored.selecting.matches(request)) {
            Some(stored) => Found::Match(stored.clone()),
            None => Found::Others,
        }
    }

    /// The one answer that is for every request alike.
    pub(crate) fn for_anybody(&self, key: KeyRef<'_>) -> Option<Arc<Stored>> {
        self.cache.get(&key)?.first().filter(|stored| stored.selecting.is_anybody()).cloned()
    }

    /// Takes the place of the answers for the same values of the selecting fields.
    pub(crate) fn put(&self, key: KeyRef<'_>, stored: Arc<Stored>) {
        let before = self.cache.peek(&key);
        // One that took its time does not take the place of one that was asked for later.
        let newer =
            |other: &Arc<Stored>| other.lifetime.answered_ms > stored.lifetime.answered_ms && other.selecting == stored.selecting;
        if before.as_ref().is_some_and(|variants| variants.iter().any(newer)) {
            return;
        }
        let others = before.iter().flat_map(|variants| variants.iter()).filter(|other| other.selecting != stored.selecting);
        let variants: Variants = std::iter::once(&stored).chain(others).take(MAX_VARIANTS).cloned().collect();
        self.cache.insert(key.owned(), variants);
    }

    /// Replaces an answer by a better form of itself, if it is still there.
    pub(crate) fn improve(&self, key: KeyRef<'_>, old: &Arc<Stored>, new: Arc<Stored>) {
        if self.cache.peek(&key).is_some_and(|variants| variants.iter().any(|stored| Arc::ptr_eq(stored, old))) {
            self.put(key, new);
        }
    }

    pub(crate) fn remove(&self, key: KeyRef<'_>) {
        self.cache.remove(&key);
    }

    pub(crate) fn weight(&self) -> u64 {
        self.cache.weight()
    }

    pub(crate) fn len(&self) -> usize {
        self.cache.len()
    }
}
