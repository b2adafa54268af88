//! The second tier: what the region's other edges keep.

use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock, atomic::AtomicU64},
};

use http::HeaderMap;
use http_cache_policy::Selecting;

use super::Engine;
use crate::{
    cache::{KeyRef, Stored},
    purge::Place,
    tier::Tier,
};

impl Engine {
    /// Once.
    pub(crate) fn set_second(&self, tier: Arc<Tier>) {
        // A second one is not wanted, and there is none.
        let _ = self.second.set(tier);
    }

    /// Orders to purge were done up to here.
    pub(crate) fn followed_orders(&self, place: &Place) {
        if let Some(tier) = self.second.get() {
            tier.followed(place, self.purges.ticket());
        }
    }

    /// The catalog's purges were done up to here.
    pub(crate) fn followed_catalog(&self, place: (&str, u64), tags: &[String], missed: bool) {
        if let Some(tier) = self.second.get() {
            tier.catalog(place, tags, missed, self.purges.ticket());
        }
    }

    /// Puts the region's answer on the shelf, if it has one.
    pub(super) async fn fetched(self: &Arc<Self>, key: KeyRef<'_>) -> bool {
        let Some(tier) = self.second.get() else { return false };
        let (ticket, now_ms) = (self.purges.ticket(), self.clock.now_ms());
        let Some(found) = tier.get(key, now_ms).await else { return false };
        let mut lifetime = found.wire.lifetime;
        // Another machine's clock may be ahead.
        lifetime.answered_ms = lifetime.answered_ms.min(now_ms);
        let stored = Arc::new(Stored {
            status: found.wire.status,
            headers: found.wire.headers,
            body: found.wire.body,
            lifetime,
            selecting: Selecting::of(&HeaderMap::new(), &HeaderMap::new()),
            part: None,
            tags: found.tags.iter().map(|name| self.purges.tag(name)).chain([self.purges.key_tag(&key)]).collect(),
            ticket,
            coded: None,
            spared: AtomicU64::new(u64::MAX),
            head: OnceLock::new(),
        });
        self.shelf.put(key, stored.clone());
        self.code_behind(key, &stored);
        true
    }

    /// Gives an answer to the region.
    pub(super) fn offer(&self, key: KeyRef<'_>, stored: &Stored, tags: Option<BTreeSet<String>>) {
        if let (Some(tier), Some(tags)) = (self.second.get(), tags) {
            tier.offer(key, stored, &tags, self.clock.now_ms());
        }
    }

    pub(super) fn has_second(&self) -> bool {
        self.second.get().is_some()
    }

    /// What a request has made wrong is wrong there too.
    pub(super) fn invalidate_second(&self, key: KeyRef<'_>) {
        if let Some(tier) = self.second.get() {
            tier.invalidate(key);
        }
    }
}
