//! Which tags were purged, and when.
//!
//! No index leads from tags to answers: an answer knows its tags and which purges came before it, and is asked for once after each
//! purge, when it is next wanted. So a purge costs the same for one answer or a million, and one that is under way while its purge comes
//! is caught too.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash, RandomState},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Purged tags that are remembered: at 32 bytes each 3 MB. When they are more, everything is purged softly.
const MAX_PURGED: usize = 100_000;

/// A tag by its hash; two tags with one hash are purged together, which costs a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag(u64);

/// How an answer was purged since it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purged {
    No,
    /// Stale: may be shown while it is validated in case the origin fails.
    Softly,
    /// Gone.
    Hard,
}

/// Newest purges of a tag: number of the newest soft and hard one, 0 for none.
#[derive(Clone, Copy, Debug, Default)]
struct Newest {
    soft: u64,
    hard: u64,
}

impl Newest {
    fn since(self, ticket: u64) -> Purged {
        match () {
            () if self.hard > ticket => Purged::Hard,
            () if self.soft > ticket => Purged::Softly,
            () => Purged::No,
        }
    }
}

#[derive(Debug, Default)]
struct Known {
    by_tag: HashMap<Tag, Newest>,
    everything: Newest,
}

/// All purges of this process, numbered as they come.
#[derive(Debug)]
pub(crate) struct Purges {
    hasher: RandomState,
    newest: AtomicU64,
    known: RwLock<Known>,
}

impl Default for Purges {
    fn default() -> Self {
        Self { hasher: RandomState::new(), newest: AtomicU64::new(0), known: RwLock::default() }
    }
}

impl Purges {
    pub(crate) fn tag(&self, name: &str) -> Tag {
        Tag(self.hasher.hash_one(name))
    }

    /// The tag that stands for one key.
    pub(crate) fn key_tag(&self, key: &impl Hash) -> Tag {
        Tag(self.hasher.hash_one((0_u8, key)))
    }

    /// Number of the newest purge: to be taken before the origin is asked, and kept with its answer.
    pub(crate) fn ticket(&self) -> u64 {
        self.newest.load(Ordering::Acquire)
    }

    /// What happened to an answer with these tags since its ticket.
    pub(crate) fn since(&self, ticket: u64, tags: &[Tag]) -> Purged {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let all = tags.iter().filter_map(|tag| known.by_tag.get(tag)).chain([&known.everything]);
        let newest = all.fold(Newest::default(), |a, b| Newest { soft: a.soft.max(b.soft), hard: a.hard.max(b.hard) });
        newest.since(ticket)
    }

    pub(crate) fn purge(&self, tags: impl IntoIterator<Item = Tag>, soft: bool) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.newest.load(Ordering::Relaxed) + 1;
        for tag in tags {
            mark(known.by_tag.entry(tag).or_default(), now, soft);
        }
        if known.by_tag.len() > MAX_PURGED {
            let hard = known.by_tag.values().map(|newest| newest.hard).max().unwrap_or(0);
            known.by_tag = HashMap::new();
            known.everything.soft = now;
            // What was to be gone stays gone, and all that is as old with it.
            known.everything.hard = known.everything.hard.max(hard);
        }
        self.newest.store(now, Ordering::Release);
    }

    pub(crate) fn purge_everything(&self, soft: bool) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let now = self.newest.load(Ordering::Relaxed) + 1;
        mark(&mut known.everything, now, soft);
        if !soft {
            known.by_tag = HashMap::new();
        }
        self.newest.store(now, Ordering::Release);
    }
}

fn mark(newest: &mut Newest, now: u64, soft: bool) {
    if soft {
        newest.soft = now;
    } else {
        newest.hard = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purge_counts_for_what_was_asked_before_it() {
        let purges = Purges::default();
        let (a, b) = (purges.tag("a"), purges.tag("b"));
        let ticket = purges.ticket();
        purges.purge([a], false);
        assert_eq!(purges.since(ticket, &[b, a]), Purged::Hard);
        assert_eq!(purges.since(ticket, &[b]), Purged::No);
        assert_eq!(purges.since(purges.ticket(), &[a]), Purged::No);
        let later = purges.ticket();
        purges.purge([b], true);
        assert_eq!((purges.since(later, &[b]), purges.since(ticket, &[a, b])), (Purged::Softly, Purged::Hard));
        purges.purge_everything(true);
        assert_eq!(purges.since(later, &[]), Purged::Softly);
        purges.purge_everything(false);
        assert_eq!((purges.since(later, &[]), purges.since(purges.ticket(), &[a, b])), (Purged::Hard, Purged::No));
    }

    #[test]
    fn more_purges_than_are_remembered_make_everything_stale() {
        let purges = Purges::default();
        let ticket = purges.ticket();
        let all = || (0..=MAX_PURGED).map(|n| purges.tag(&n.to_string()));
        purges.purge(all(), true);
        assert_eq!(purges.since(ticket, &[purges.tag("other")]), Purged::Softly);
        assert_eq!(purges.since(purges.ticket(), &[purges.tag("other")]), Purged::No);
        let hard = purges.ticket();
        purges.purge([purges.tag("gone")], false);
        purges.purge(all(), true);
        assert_eq!(purges.since(hard, &[purges.tag("gone")]), Purged::Hard);
    }
}
