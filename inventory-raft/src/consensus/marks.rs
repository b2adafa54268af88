//! State hashes at a place in the log: a mark in the log makes every node hash its state as it is there, whatever comes after.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::stock::Frozen;

/// Hashes remembered; an operator compares the newest.
const MAX_MARKS: usize = 8;

/// Longest wait for a node to reach a mark and to hash: a million reservations take about two seconds.
const WAIT: Duration = Duration::from_secs(20);

/// Hashes by log index, oldest first.
pub(crate) struct Marks {
    hashes: Mutex<VecDeque<(u64, Arc<str>)>>,
    newest: watch::Sender<u64>,
}

impl Default for Marks {
    fn default() -> Self {
        Self { hashes: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Marks {
    /// Hashes a frozen state on a thread of its own.
    pub(super) fn hash(self: &Arc<Self>, index: u64, frozen: Frozen) {
        let marks = self.clone();
        tokio::task::spawn_blocking(move || {
            let hash = frozen.state_hash().into();
            let mut hashes = marks.hashes.lock().unwrap_or_else(PoisonError::into_inner);
            hashes.push_back((index, hash));
            while hashes.len() > MAX_MARKS {
                hashes.pop_front();
            }
            drop(hashes);
            marks.newest.send_modify(|newest| *newest = index.max(*newest));
        });
    }

    /// The hash at `index`, once it is there. `None`: there is no mark there, or it is forgotten.
    pub(crate) async fn at(&self, index: u64) -> Option<Arc<str>> {
        let mut newest = self.newest.subscribe();
        let reached = newest.wait_for(|newest| *newest >= index);
        // A node that does not get there in time has no hash to give.
        let _ = tokio::time::timeout(WAIT, reached).await;
        let hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        hashes.iter().find(|(at, _)| *at == index).map(|(_, hash)| hash.clone())
    }
}
