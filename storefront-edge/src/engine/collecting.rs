//! Bodies on their way into the cache: how many bytes of them this process holds at once.
//!
//! Each fill is bounded by the largest body that is kept; their number is not, so their sum is bounded here.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use bytes::{Bytes, BytesMut};

/// Of the cache's bytes, what bodies may take beside them on their way into it: four of the largest, or as many small ones as come.
const SHARE: u64 = 4;

/// Bytes that bodies on their way take now, and at most.
#[derive(Debug)]
pub(super) struct Room {
    taken: AtomicU64,
    most: u64,
}

impl Room {
    /// Beside a cache of so many bytes.
    pub(super) fn beside(cache_bytes: u64) -> Arc<Self> {
        Arc::new(Self { taken: AtomicU64::new(0), most: cache_bytes / SHARE })
    }

    /// Counted in the same step that looks: two that come at once do not both get the last of it.
    fn take(&self, bytes: u64) -> bool {
        let fits = |taken: u64| taken.checked_add(bytes).filter(|sum| *sum <= self.most);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// One body, as far as it has come. Its room is given back when it is taken out or dropped.
#[derive(Debug)]
pub(super) struct Collected {
    whole: BytesMut,
    most: u64,
    room: Arc<Room>,
}

impl Collected {
    /// Of at most so many bytes.
    pub(super) fn new(room: &Arc<Room>, most: u64) -> Self {
        Self { whole: BytesMut::new(), most, room: room.clone() }
    }

    pub(super) fn len(&self) -> u64 {
        self.whole.len() as u64
    }

    /// Whether the piece was added: neither is this body too large with it, nor all of them together.
    #[must_use]
    pub(super) fn add(&mut self, piece: &[u8]) -> bool {
        let more = piece.len() as u64;
        if self.len() + more > self.most {
            return false;
        }
        if !self.room.take(more) {
            metrics::counter!("edge_fills_not_kept_total").increment(1);
            return false;
        }
        self.whole.extend_from_slice(piece);
        true
    }

    /// The cache counts them from here on.
    pub(super) fn into_bytes(mut self) -> Bytes {
        let whole = std::mem::take(&mut self.whole).freeze();
        self.room.give_back(whole.len() as u64);
        whole
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        self.room.give_back(self.len());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_sum_stays_within_the_room_and_all_of_it_comes_back(
            steps in prop::collection::vec((0_usize..6, 0_usize..200, any::<bool>()), 1..80),
        ) {
            let room = Room::beside(1_000 * SHARE);
            let mut bodies: Vec<Collected> = (0..6).map(|_| Collected::new(&room, 300)).collect();
            for (nth, more, ends) in steps {
                let (before, sum) = (bodies[nth].len(), room.taken());
                let added = bodies[nth].add(&vec![b'x'; more]);
                prop_assert_eq!(added, before + more as u64 <= 300 && sum + more as u64 <= 1_000);
                prop_assert_eq!(room.taken(), bodies.iter().map(Collected::len).sum::<u64>());
                if ends {
                    let ended = std::mem::replace(&mut bodies[nth], Collected::new(&room, 300));
                    let len = ended.len();
                    if more % 2 == 0 { drop(ended) } else { prop_assert_eq!(ended.into_bytes().len() as u64, len) }
                }
            }
            drop(bodies);
            prop_assert_eq!(room.taken(), 0);
        }
    }
}
