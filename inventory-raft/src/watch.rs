//! What changed since a token: a bounded memory of which SKUs each log entry touched.
//!
//! A position is a place in the log, so it means the same on every node. Owns: the ring of recent entries. Must not: hold stock; readers take the
//! current stock of a touched SKU, so many changes of one SKU merge into its newest.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    str::FromStr,
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

/// What a reader has heard of. It means the same on every node, because every node applies the same entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    /// All changes up to a log index.
    At(u64),
    /// All up to `from`, and the first `heard` of the SKUs, in order of name, that changed between `from` and `to`.
    Within { from: u64, to: u64, heard: usize },
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(index) => write!(f, "{index}"),
            Self::Within { from, to, heard } => write!(f, "{from}.{to}.{heard}"),
        }
    }
}

/// A text that is no token of this feed.
#[derive(Debug)]
pub(crate) struct NoToken;

impl FromStr for Position {
    type Err = NoToken;

    fn from_str(token: &str) -> Result<Self, NoToken> {
        let mut parts = token.split('.');
        let mut next = || parts.next().map(|part| part.parse::<u64>().map_err(|_| NoToken)).transpose();
        match (next()?, next()?, next()?, next()?) {
            (Some(index), None, ..) => Ok(Self::At(index)),
            (Some(from), Some(to), Some(heard), None) if from <= to => {
                Ok(Self::Within { from, to, heard: usize::try_from(heard).map_err(|_| NoToken)? })
            }
            _ => Err(NoToken),
        }
    }
}

impl Ring {
    /// SKUs that changed after `from` and not after `to`.
    fn touched(&self, from: u64, to: u64) -> Result<BTreeSet<Sku>, Compacted> {
        if from < self.base {
            return Err(Compacted { oldest: self.base });
        }
        let first = self.entries.partition_point(|(index, _)| *index <= from);
        let between = self.entries.range(first..).take_while(|(index, _)| *index <= to);
        Ok(between.flat_map(|(_, names)| names.iter().cloned()).collect())
    }
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

    /// The changes after `position`: which SKUs to tell of, each with the position that stands for having heard of it and of all
    /// before it, and the position to go on from. Call it while the state cannot change: what is told is the state as of the head.
    pub(crate) fn since(&self, position: Position) -> Result<(Vec<(Sku, Position)>, Position), Compacted> {
        let ring = self.lock();
        match position {
            Position::At(from) => {
                let touched = ring.touched(from, ring.head)?;
                let (to, count) = (ring.head.max(from), touched.len());
                let told = touched.into_iter().zip(1..).map(|(sku, heard)| {
                    let position = if heard == count { Position::At(to) } else { Position::Within { from, to, heard } };
                    (sku, position)
                });
                Ok((told.collect(), Position::At(to)))
            }
            // Another node was ahead of this one: wait here until this one is there too.
            Position::Within { to, .. } if ring.head < to => Ok((Vec::new(), position)),
            Position::Within { from, to, heard } => {
                // What changed again after `to` is told with the next group, once.
                let (touched, later) = (ring.touched(from, to)?, ring.touched(to, ring.head)?);
                let rest = touched.into_iter().zip(1..).skip(heard).filter(|(sku, _)| !later.contains(sku));
                Ok((rest.map(|(sku, heard)| (sku, Position::Within { from, to, heard })).collect(), Position::At(to)))
            }
        }
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
        let told = |position| {
            feed.since(position).map(|(told, next)| {
                let told = told.into_iter().map(|(sku, position)| format!("{sku}@{position}")).collect::<Vec<_>>().join(" ");
                (told, next.to_string())
            })
        };
        let of = |lines: &str, next: &str| Ok((lines.to_owned(), next.to_owned()));
        assert_eq!(told(Position::At(10)), of("a@10.13.1 b@13", "13"));
        assert_eq!(told(Position::At(12)), of("a@12.13.1 b@13", "13"));
        assert_eq!(told(Position::At(13)), of("", "13"));
        assert_eq!(told(Position::At(99)), of("", "99"));
        assert_eq!(told(Position::At(9)), Err(Compacted { oldest: 10 }));
        // Cut off after the first of two; meanwhile the second changed again and comes once, with the next group.
        assert_eq!(told(Position::Within { from: 10, to: 13, heard: 1 }), of("b@10.13.2", "13"));
        feed.publish(14, skus(&["b"]));
        let told = |position| feed.since(position).map(|(told, next)| (told.len(), next));
        assert_eq!(told(Position::Within { from: 10, to: 13, heard: 1 }), Ok((0, Position::At(13))));
        assert_eq!(told(Position::At(13)), Ok((1, Position::At(14))));
        feed.restart(20);
        assert_eq!(feed.since(Position::At(13)), Err(Compacted { oldest: 20 }));
        for token in ["", "x", "1.", "1.2", "1.2.3.4", "3.2.1", "-1"] {
            assert!(token.parse::<Position>().is_err(), "{token:?}");
        }
        assert_eq!("1.2.3".parse::<Position>().unwrap().to_string(), "1.2.3");
    }
}
