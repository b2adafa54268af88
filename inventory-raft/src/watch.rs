//! What changed since a token: a bounded memory of which SKUs each log entry touched.
//!
//! A token is a log index, so it means the same on every node. Owns: the ring of recent entries. Must not: hold stock; readers take the
//! current stock of a touched SKU, so many changes of one SKU merge into its newest.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use storefront_types::Sku;
use tokio::sync::watch;

/// Touched SKUs remembered. 200,000 names of about 40 bytes are 8 MB; at 1,000 changes a second a reader may be away for over three minutes.
const MAX_TOUCHES: usize = 200_000;

/// The token is older than the oldest remembered entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compacted {
    pub(crate) oldest: u64,
}

struct Ring {
    /// Everything after this index is remembered.
    base: u64,
    head: u64,
    touches: usize,
    entries: VecDeque<(u64, Vec<Sku>)>,
}

pub(crate) struct ChangeFeed {
    ring: Mutex<Ring>,
    head: watch::Sender<u64>,
}

impl ChangeFeed {
    pub(crate) fn new(index: u64) -> Self {
        let ring = Ring { base: index, head: index, touches: 0, entries: VecDeque::new() };
        Self { ring: Mutex::new(ring), head: watch::Sender::new(index) }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what an applied entry touched, and wakes the readers.
    pub(crate) fn publish(&self, index: u64, touched: Vec<Sku>) {
        {
            let mut ring = self.lock();
            ring.head = index;
            if !touched.is_empty() {
                ring.touches += touched.len();
                ring.entries.push_back((index, touched));
            }
            while ring.touches > MAX_TOUCHES {
                let Some((oldest, names)) = ring.entries.pop_front() else { break };
                ring.touches -= names.len();
                ring.base = oldest;
            }
        }
        self.head.send_replace(index);
    }

    /// Forgets everything: the state jumped to a snapshot at `index`.
    pub(crate) fn restart(&self, index: u64) {
        *self.lock() = Ring { base: index, head: index, touches: 0, entries: VecDeque::new() };
        self.head.send_replace(index);
    }

    /// SKUs touched after `token`, and the token that stands for having seen them.
    pub(crate) fn since(&self, token: u64) -> Result<(BTreeSet<Sku>, u64), Compacted> {
        let ring = self.lock();
        // A token from the future comes from a node that is ahead: wait for it here, nothing is missed.
        if token < ring.base {
            return Err(Compacted { oldest: ring.base });
        }
        let from = ring.entries.partition_point(|(index, _)| *index <= token);
        let touched = ring.entries.range(from..).flat_map(|(_, names)| names.iter().cloned()).collect();
        Ok((touched, ring.head.max(token)))
    }

    /// Wakes whenever an entry was applied.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skus<T: FromIterator<Sku>>(names: &[&str]) -> T {
        names.iter().map(|name| Sku::parse(name).unwrap()).collect()
    }

    #[test]
    fn gives_what_was_touched_after_a_token_or_says_that_it_forgot() {
        let feed = ChangeFeed::new(10);
        feed.publish(11, skus(&["a"]));
        feed.publish(12, skus(&[]));
        feed.publish(13, skus(&["a", "b"]));
        assert_eq!(feed.since(10), Ok((skus(&["a", "b"]), 13)));
        assert_eq!(feed.since(12), Ok((skus(&["a", "b"]), 13)));
        assert_eq!(feed.since(13), Ok((skus(&[]), 13)));
        assert_eq!(feed.since(99), Ok((skus(&[]), 99)));
        assert_eq!(feed.since(9), Err(Compacted { oldest: 10 }));
        feed.restart(20);
        assert_eq!(feed.since(13), Err(Compacted { oldest: 20 }));
    }
}
