//! What caches must drop: a sequence of purges by tag, kept for a while, followed by the edges.
//!
//! An epoch is one life of this process: sequences are dense within it, and a new one means that purges may have been missed.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use catalog_api::CatalogChange;
use tokio::sync::watch;
use uuid::Uuid;

/// Purges kept: at 1,000 a second an edge may be away for half a minute; after that it drops everything, which is safe.
const MAX_KEPT: usize = 30_000;

struct Ring {
    head: u64,
    purges: VecDeque<(u64, Vec<String>)>,
}

pub(crate) struct Feed {
    epoch: String,
    ring: Mutex<Ring>,
    head: watch::Sender<u64>,
}

impl Feed {
    pub(crate) fn new() -> Self {
        let ring = Ring { head: 0, purges: VecDeque::new() };
        Self { epoch: Uuid::now_v7().simple().to_string(), ring: Mutex::new(ring), head: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn purge(&self, tags: Vec<String>) {
        let head = {
            let mut ring = self.lock();
            ring.head += 1;
            let head = ring.head;
            ring.purges.push_back((head, tags));
            if ring.purges.len() > MAX_KEPT {
                ring.purges.pop_front();
            }
            head
        };
        self.head.send_replace(head);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.head.subscribe()
    }

    pub(crate) fn heartbeat(&self) -> CatalogChange {
        CatalogChange::Heartbeat { epoch: self.epoch.clone(), sequence: self.lock().head }
    }

    /// Purges after `sequence` of `epoch`, or a reset when that is not known any more.
    pub(crate) fn since(&self, epoch: Option<&str>, sequence: u64) -> Vec<CatalogChange> {
        let ring = self.lock();
        let oldest = ring.purges.front().map_or(ring.head + 1, |(first, _)| *first);
        if epoch != Some(&self.epoch) || sequence + 1 < oldest || sequence > ring.head {
            return vec![CatalogChange::Reset { epoch: self.epoch.clone(), sequence: ring.head }];
        }
        let newer = ring.purges.iter().filter(|(at, _)| *at > sequence);
        let purge = |(sequence, tags): &(u64, Vec<String>)| CatalogChange::Purge {
            epoch: self.epoch.clone(),
            sequence: *sequence,
            tags: tags.clone(),
        };
        newer.map(purge).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_gets_all_purges_or_a_reset() {
        let feed = Feed::new();
        let [CatalogChange::Reset { epoch, sequence: 0 }] = &feed.since(None, 0)[..] else { panic!("no reset") };
        feed.purge(vec!["a".into()]);
        feed.purge(vec!["b".into()]);
        let sequences: Vec<_> = feed
            .since(Some(epoch), 0)
            .iter()
            .map(|c| match c {
                CatalogChange::Purge { sequence, .. } => *sequence,
                _ => 0,
            })
            .collect();
        assert_eq!(sequences, [1, 2]);
        assert!(feed.since(Some(epoch), 2).is_empty());
        assert!(matches!(feed.since(Some("other"), 2)[..], [CatalogChange::Reset { sequence: 2, .. }]));
        for _ in 0..MAX_KEPT {
            feed.purge(Vec::new());
        }
        assert!(matches!(feed.since(Some(epoch), 1)[..], [CatalogChange::Reset { .. }]));
    }
}
