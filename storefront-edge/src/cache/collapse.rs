//! Many misses of one key make one request to the origin.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One key's turn: the holder asks the origin, the others wait for it and then look into the cache again.
#[derive(Default)]
pub(crate) struct Collapse {
    under_way: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// Held while asking; when dropped, in any way, the next waiter goes on.
pub(crate) struct Turn<'a> {
    collapse: &'a Collapse,
    key: String,
    _permit: OwnedSemaphorePermit,
}

impl Collapse {
    /// Waits for the key's turn. The second part: whether somebody else asked meanwhile.
    pub(crate) async fn turn(&self, key: &str) -> Option<(Turn<'_>, bool)> {
        let (line, waited) = {
            let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
            let line = under_way.entry(key.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))).clone();
            let waited = line.available_permits() == 0;
            (line, waited)
        };
        let permit = line.acquire_owned().await.ok()?;
        Some((Turn { collapse: self, key: key.to_owned(), _permit: permit }, waited))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut under_way = self.collapse.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        // Two: the map's and this turn's permit. More: somebody waits, and needs the line.
        if under_way.get(&self.key).is_some_and(|line| Arc::strong_count(line) <= 2) {
            under_way.remove(&self.key);
        }
    }
}
