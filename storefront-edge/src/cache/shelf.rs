//! L1: stored answers in this process, bounded by bytes.

use std::sync::Arc;

use http::HeaderMap;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, Weighter,
    sync::{Cache, DefaultLifecycle},
};

use super::{Key, KeyRef, Stored};

/// Answers that the shelf is laid out for: one for each 4 KiB.
const EXPECTED_BYTES: u64 = 4 * 1024;

/// Answers of one key that differ in what `Vary` names; the oldest gives way.
const MAX_VARIANTS: usize = 16;

/// Of all bytes, the largest body takes at most this part.
const PART_OF_ONE: u64 = 16;

/// What is kept beside a body: 32 KiB of fields twice, tags and the key.
const BESIDE_BODY_BYTES: u64 = 128 * 1024;

/// Parts with a lock of their own, for each processor.
const SHARDS_PER_PROCESSOR: u64 = 4;

/// Of a shard, what one entry may take, in percent: the library refuses what is more than 97.
const ONE_ENTRY_PERCENT: u64 = 96;

/// Into how many parts `bytes` are divided, so that an answer with the largest body fits into each of them.
fn shards(bytes: u64, processors: u64) -> u64 {
    let wanted = (processors * SHARDS_PER_PROCESSOR).next_power_of_two();
    let room = bytes * ONE_ENTRY_PERCENT / 100 / (bytes / PART_OF_ONE + BESIDE_BODY_BYTES);
    // The largest power of two within it.
    wanted.min(1 << room.max(1).ilog2())
}

/// Answers of one key, the newest first.
type Variants = Arc<[Arc<Stored>]>;

#[derive(Clone)]
struct Weigh;

impl Weighter<Key, Variants> for Weigh {
    fn weight(&self, key: &Key, variants: &Variants) -> u64 {
        let stored: u64 = variants.iter().map(|stored| stored.weight()).sum();
        key.borrowed().weight() + stored
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
    max_body_bytes: u64,
    /// What an entry may weigh; a heavier one would not be kept.
    max_entry_bytes: u64,
}

impl Shelf {
    /// `bytes` in all. One body takes at most 1/16 of them.
    pub(crate) fn new(bytes: u64) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self::for_processors(bytes, processors as u64)
    }

    fn for_processors(bytes: u64, processors: u64) -> Self {
        let items = usize::try_from(bytes / EXPECTED_BYTES).unwrap_or(usize::MAX).max(16);
        let shards = usize::try_from(shards(bytes, processors)).unwrap_or(1);
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let cache = match OptionsBuilder::new().estimated_items_capacity(items).weight_capacity(bytes).shards(shards).build() {
            Ok(options) => Cache::with_options(options, Weigh, hasher, lifecycle),
            // Not with all of them given.
            Err(_) => Cache::with(items, bytes, Weigh, hasher, lifecycle),
        };
        let max_entry_bytes = cache.shard_capacity() * ONE_ENTRY_PERCENT / 100;
        Self { cache, max_body_bytes: bytes / PART_OF_ONE, max_entry_bytes }
    }

    /// Largest body that is worth reading to its end for storing it.
    pub(crate) fn max_body_bytes(&self) -> u64 {
        self.max_body_bytes
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
        let mut weight = key.weight();
        let fitting = |stored: &&Arc<Stored>| {
            weight += stored.weight();
            weight <= self.max_entry_bytes
        };
        // The oldest give way where all together would be too much for one entry.
        let variants: Variants = std::iter::once(&stored).chain(others).take(MAX_VARIANTS).take_while(fitting).cloned().collect();
        if variants.is_empty() {
            self.cache.remove(&key);
        } else {
            self.cache.insert(key.owned(), variants);
        }
    }

    /// Replaces an answer by a better form of itself, if it is still there.
    pub(crate) fn improve(&self, key: KeyRef<'_>, old: &Arc<Stored>, new: Arc<Stored>) {
        let fits = key.weight() + new.weight() <= self.max_entry_bytes;
        if fits && self.cache.peek(&key).is_some_and(|variants| variants.iter().any(|stored| Arc::ptr_eq(stored, old))) {
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

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, atomic::AtomicU64};

    use bytes::Bytes;
    use http::StatusCode;
    use http_cache_policy::{Lifetime, Selecting, Times};
    use proptest::prelude::*;

    use super::*;

    fn stored(bytes: u64) -> Arc<Stored> {
        Arc::new(Stored {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from(vec![b'x'; usize::try_from(bytes).unwrap()]),
            lifetime: Lifetime::already_over(&HeaderMap::new(), Times { asked_ms: 0, answered_ms: 0 }),
            selecting: Selecting::of(&HeaderMap::new(), &HeaderMap::new()),
            part: None,
            tags: [].into(),
            ticket: 0,
            coded: None,
            spared: AtomicU64::new(u64::MAX),
            head: OnceLock::new(),
        })
    }

    proptest! {
        #[test]
        fn each_part_takes_the_largest_body(bytes in 1_u64 << 20..1 << 40, processors in 1_u64..512) {
            let shards = shards(bytes, processors);
            let each = bytes / shards;
            prop_assert!(shards.is_power_of_two() && shards <= (processors * SHARDS_PER_PROCESSOR).next_power_of_two());
            prop_assert!(each * ONE_ENTRY_PERCENT / 100 + 1 >= bytes / PART_OF_ONE + BESIDE_BODY_BYTES);
        }
    }

    #[test]
    fn the_largest_body_is_kept_however_many_processors_there_are() {
        for (bytes, processors) in [(1 << 20, 1), (8 << 20, 2), (8 << 20, 64), (64 << 20, 256)] {
            let shelf = Shelf::for_processors(bytes, processors);
            for nth in 0..4 {
                let target = format!("/{nth}");
                let key = KeyRef { authority: "", target: &target };
                shelf.put(key, stored(shelf.max_body_bytes()));
                assert!(shelf.for_anybody(key).is_some(), "{bytes} bytes, {processors} processors, the {nth}th");
            }
        }
    }
}
