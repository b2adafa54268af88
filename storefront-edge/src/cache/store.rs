//! L1.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use quick_cache::{Weighter, sync::Cache as Shelf};

use crate::policy::Lifetime;

/// Answers that the shelf is laid out for: 64 MiB of 4 KiB each.
const EXPECTED_ITEMS: usize = 16_384;

/// Largest answer kept: a product page has under 100 KiB.
pub(crate) const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Keys remembered under tags: 500,000 of about 100 bytes are 50 MB.
const MAX_TAGGED_KEYS: usize = 500_000;

/// One stored answer.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) lifetime: Lifetime,
    pub(crate) received: Instant,
    /// Purges that had come when the origin was asked; a later soft purge of everything makes the answer stale.
    pub(crate) generation: u64,
}

#[derive(Clone)]
pub(crate) struct Weigh;

impl Weighter<String, Arc<Stored>> for Weigh {
    fn weight(&self, key: &String, stored: &Arc<Stored>) -> u64 {
        let headers: usize = stored.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        (key.len() + stored.body.len() + headers + 256) as u64
    }
}

/// Keys are path and query. Tags of the answers lead from a purge to the keys.
pub(crate) struct Cache {
    shelf: Shelf<String, Arc<Stored>, Weigh>,
    tagged: Mutex<Tagged>,
    generation: AtomicU64,
    purged: Mutex<Purged>,
}

/// Keys of stored answers by tag, and how many they are.
#[derive(Default)]
struct Tagged {
    by_tag: HashMap<String, HashSet<String>>,
    keys: usize,
}

/// Newest purges by tag, against an answer that was under way when its purge came. Tags not named were purged at `floor` at the latest.
#[derive(Default)]
struct Purged {
    floor: u64,
    by_tag: HashMap<String, u64>,
}

/// Purges by tag that are remembered against answers under way: those of the last seconds suffice.
const MAX_PURGED: usize = 10_000;

impl Cache {
    pub(crate) fn new(bytes: u64) -> Self {
        Self {
            shelf: Shelf::with_weighter(EXPECTED_ITEMS, bytes, Weigh),
            tagged: Mutex::default(),
            generation: AtomicU64::new(1),
            purged: Mutex::default(),
        }
    }

    /// The stored answer, and whether it was purged softly since.
    pub(crate) fn get(&self, key: &str) -> Option<(Arc<Stored>, bool)> {
        let stored = self.shelf.get(key)?;
        let soft = stored.generation < self.soft_floor();
        Some((stored, soft))
    }

    fn soft_floor(&self) -> u64 {
        self.generation.load(Ordering::Acquire) >> 32
    }

    /// To be taken before the origin is asked, and stored with the answer.
    pub(crate) fn ticket(&self) -> u64 {
        self.generation.load(Ordering::Acquire) & 0xffff_ffff
    }

    /// Keeps an answer, unless one of its tags was purged since the origin was asked.
    pub(crate) fn put(&self, key: String, stored: Stored, tags: &BTreeSet<String>) -> Arc<Stored> {
        let stored = Arc::new(stored);
        // Held until the answer is on the shelf: a purge comes before it or finds it.
        let purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = |tag: &String| purged.by_tag.get(tag).copied().unwrap_or(purged.floor);
        if tags.iter().any(|tag| newest(tag) > stored.generation) {
            return stored;
        }
        let mut tagged = self.tagged.lock().unwrap_or_else(PoisonError::into_inner);
        if tagged.keys > MAX_TAGGED_KEYS {
            // Evicted answers leave their keys behind; starting over is safe and rare.
            *tagged = Tagged::default();
            self.shelf.clear();
        }
        for tag in tags {
            let new = tagged.by_tag.entry(tag.clone()).or_default().insert(key.clone());
            tagged.keys += usize::from(new);
        }
        drop(tagged);
        self.shelf.insert(key, stored.clone());
        stored
    }

    /// Drops every answer that has one of the tags. `product` stands for all products.
    pub(crate) fn purge(&self, tags: &[String]) -> usize {
        let now = self.step();
        let mut purged = self.purged.lock().unwrap_or_else(PoisonError::into_inner);
        if purged.by_tag.len() > MAX_PURGED {
            // Forgotten tags count as purged just now: an answer under way is not kept, which costs a request.
            *purged = Purged { floor: now, by_tag: HashMap::new() };
        }
        let mut tagged = self.tagged.lock().unwrap_or_else(PoisonError::into_inner);
        let mut dropped = 0;
        for tag in tags {
            purged.by_tag.insert(tag.clone(), now);
            let keys = tagged.by_tag.remove(tag).unwrap_or_default();
            tagged.keys -= keys.len();
            dropped += keys.iter().filter(|key| self.shelf.remove(*key).is_some()).count();
        }
        dropped
    }

    /// Marks everything stale: it may still be shown when the origin fails.
    pub(crate) fn soft_purge_all(&self) {
        let now = self.step();
        let _ =
            self.generation.fetch_update(Ordering::AcqRel, Ordering::Acquire, |both| Some((now << 32) | (both & 0xffff_ffff)));
    }

    /// Counts up; the low half is the newest ticket, the high half the floor below which answers are stale.
    fn step(&self) -> u64 {
        (self.generation.fetch_add(1, Ordering::AcqRel) & 0xffff_ffff) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(cache: &Cache) -> Stored {
        Stored {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(b"x"),
            lifetime: Lifetime::of(&HeaderMap::new()),
            received: Instant::now(),
            generation: cache.ticket(),
        }
    }

    fn tags(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_purge_drops_by_tag_and_wins_over_an_answer_under_way() {
        let cache = Cache::new(1_000_000);
        cache.put("/a".into(), stored(&cache), &tags(&["product:1", "listing"]));
        cache.put("/b".into(), stored(&cache), &tags(&["product:2"]));
        let under_way = stored(&cache);
        assert_eq!(cache.purge(&["product:1".into()]), 1);
        assert!(cache.get("/a").is_none() && cache.get("/b").is_some());
        cache.put("/a".into(), under_way, &tags(&["product:1"]));
        assert!(cache.get("/a").is_none(), "an answer older than its purge was kept");
        cache.put("/a".into(), stored(&cache), &tags(&["product:1"]));
        assert!(!cache.get("/a").unwrap().1);
        cache.soft_purge_all();
        assert!(cache.get("/a").unwrap().1);
        cache.put("/a".into(), stored(&cache), &tags(&["product:1"]));
        assert!(!cache.get("/a").unwrap().1);
    }
}
