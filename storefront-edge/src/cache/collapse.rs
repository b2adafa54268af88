//! Many misses of one key make one request to the origin.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use super::{Key, KeyRef};

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Look into the cache.
    Stored,
    /// The answer may not be shared: all go on together, none waits for another.
    NotShared,
    /// No answer: somebody else may try.
    Failed,
}

/// What came of waiting.
pub(crate) enum Waited {
    /// Nobody asks: it is this one's turn.
    Lead(Turn),
    Ended(Ended),
    /// Longer than the limit: go on alone.
    TooLong,
}

type Lines = Arc<Mutex<HashMap<Key, watch::Receiver<Option<Ended>>>>>;

#[derive(Clone, Default)]
pub(crate) struct Collapse {
    lines: Lines,
}

/// Held while asking; when it is dropped, in any way, all waiters go on.
pub(crate) struct Turn {
    lines: Lines,
    key: Key,
    line: watch::Sender<Option<Ended>>,
}

impl Collapse {
    /// The key's turn, or how somebody else's ended, waiting for at most `limit`.
    pub(crate) async fn turn(&self, key: KeyRef<'_>, limit: Duration) -> Waited {
        let mut line = match self.lead_or_follow(key) {
            Ok(turn) => return Waited::Lead(turn),
            Err(line) => line,
        };
        match tokio::time::timeout(limit, line.wait_for(Option::is_some)).await {
            Ok(Ok(ended)) => Waited::Ended(ended.unwrap_or(Ended::Failed)),
            // The turn was dropped without a word.
            Ok(Err(_)) => Waited::Ended(Ended::Failed),
            Err(_) => Waited::TooLong,
        }
    }

    /// The key's turn, unless somebody has it.
    pub(crate) fn try_turn(&self, key: KeyRef<'_>) -> Option<Turn> {
        self.lead_or_follow(key).ok()
    }

    fn lead_or_follow(&self, key: KeyRef<'_>) -> Result<Turn, watch::Receiver<Option<Ended>>> {
        let key = key.owned();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(line) = lines.get(&key) {
            return Err(line.clone());
        }
        let (line, follow) = watch::channel(None);
        lines.insert(key.clone(), follow);
        Ok(Turn { lines: self.lines.clone(), key, line })
    }
}

impl Turn {
    pub(crate) fn end(self, ended: Ended) {
        self.leave();
        self.line.send_replace(Some(ended));
    }

    fn leave(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        // After `end` somebody else may have the key's turn already.
        if lines.get(&self.key).is_some_and(|line| self.line.subscribe().same_channel(line)) {
            lines.remove(&self.key);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn key(target: &str) -> KeyRef<'_> {
        KeyRef { authority: "", target }
    }

    #[tokio::test]
    async fn one_asks_and_all_others_hear_how_it_ended() {
        let collapse = Collapse::default();
        let Waited::Lead(first) = collapse.turn(key("a"), LIMIT).await else { panic!("nobody asked before") };
        assert!(collapse.try_turn(key("a")).is_none());
        assert!(collapse.try_turn(key("b")).is_some(), "another key waited");
        let (waited, ()) = tokio::join!(collapse.turn(key("a"), LIMIT), async { first.end(Ended::Stored) });
        assert!(matches!(waited, Waited::Ended(Ended::Stored)));
        let next = collapse.try_turn(key("a"));
        assert!(next.is_some());
        let (waited, ()) = tokio::join!(collapse.turn(key("a"), LIMIT), async { drop(next) });
        assert!(matches!(waited, Waited::Ended(Ended::Failed)));
    }

    #[tokio::test]
    async fn nobody_waits_longer_than_the_limit() {
        let collapse = Collapse::default();
        let _held = collapse.try_turn(key("a"));
        assert!(matches!(collapse.turn(key("a"), Duration::from_millis(5)).await, Waited::TooLong));
    }
}
