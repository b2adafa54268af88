//! Many misses of one key make one request to the origin.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::Semaphore;

/// One key's turn: the holder asks the origin, the others wait for it, look into the cache again, and go on together when it
/// holds nothing: an answer that cannot be kept must not be waited for one by one.
#[derive(Default)]
pub(crate) struct Collapse {
    under_way: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Held while asking; when dropped, in any way, all waiters go on.
pub(crate) struct Turn<'a> {
    collapse: &'a Collapse,
    key: String,
    line: Arc<Semaphore>,
}

impl Collapse {
    /// The key's turn, or `None` after somebody else's turn ended, or took longer than `limit`.
    pub(crate) async fn turn(&self, key: &str, limit: Duration) -> Option<Turn<'_>> {
        let line = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(line) = under_way.get(key) {
                line.clone()
            } else {
                let line = Arc::new(Semaphore::new(0));
                under_way.insert(key.to_owned(), line.clone());
                return Some(Turn { collapse: self, key: key.to_owned(), line });
            }
        };
        // The semaphore is closed when the turn ends; both that and the limit say: go on.
        let _ = tokio::time::timeout(limit, line.acquire()).await;
        None
    }

    /// Whether somebody asks for this key now.
    pub(crate) fn is_under_way(&self, key: &str) -> bool {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).contains_key(key)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.collapse.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
        self.line.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_asks_and_all_others_go_on_when_it_is_done() {
        let collapse = Collapse::default();
        let first = collapse.turn("a", Duration::from_secs(5)).await;
        assert!(first.is_some() && collapse.is_under_way("a"));
        assert!(collapse.turn("b", Duration::from_secs(5)).await.is_some(), "another key waited");
        let waiting = collapse.turn("a", Duration::from_secs(5));
        let ended = async { drop(first) };
        let (waited, ()) = tokio::join!(waiting, ended);
        assert!(waited.is_none() && !collapse.is_under_way("a"));
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_limit() {
        let collapse = Collapse::default();
        let _held = collapse.turn("a", Duration::from_secs(5)).await;
        assert!(collapse.turn("a", Duration::from_millis(5)).await.is_none());
    }
}
