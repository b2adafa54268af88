//! Places of those who are told of stock: so many in all, so many for one client, and none for a reader who takes nothing.
//!
//! A reader that is never asked for its next event has no turn in which it could end by itself, so its place is taken from it.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// How many readers there may be, and how long one may take nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    pub(crate) most: usize,
    pub(crate) per_client: usize,
    pub(crate) stall: Duration,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// All are taken.
    Full,
    /// This client has as many as one may have.
    TooMany,
}

#[derive(Debug)]
pub(super) struct Seats {
    limits: StreamLimits,
    began: Instant,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    next: u64,
    held: HashMap<u64, Arc<Holder>>,
    of_client: HashMap<u128, usize>,
}

impl Taken {
    fn free(&mut self, number: u64) {
        let Some(holder) = self.held.remove(&number) else { return };
        if let Some(count) = self.of_client.get_mut(&holder.client) {
            *count -= 1;
            if *count == 0 {
                self.of_client.remove(&holder.client);
            }
        }
    }
}

/// Not a moment: the reader waits for an event, or has lost its place.
const WAITS: u64 = u64::MAX;
const LOST: u64 = u64::MAX - 1;

#[derive(Debug)]
struct Holder {
    client: u128,
    /// Milliseconds after the seats' begin when it was given something that it has not come back from.
    gave_ms: AtomicU64,
}

/// One place, until it is dropped or taken away.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: u64,
    holder: Arc<Holder>,
}

impl Seats {
    pub(super) fn new(limits: StreamLimits) -> Arc<Self> {
        Arc::new(Self { limits, began: Instant::now(), taken: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(LOST - 1)
    }

    /// A place whose first event waits to be taken from now on.
    pub(super) fn take(self: &Arc<Self>, client: u128, now: Instant) -> Result<Seat, Refused> {
        let mut taken = self.lock();
        let count = taken.of_client.get(&client).copied().unwrap_or(0);
        if count >= self.limits.per_client {
            return Err(Refused::TooMany);
        }
        if taken.held.len() >= self.limits.most {
            return Err(Refused::Full);
        }
        let holder = Arc::new(Holder { client, gave_ms: AtomicU64::new(self.ms(now)) });
        let number = taken.next;
        taken.next += 1;
        taken.held.insert(number, holder.clone());
        taken.of_client.insert(client, count + 1);
        Ok(Seat { seats: self.clone(), number, holder })
    }

    /// Takes the places of those who have taken nothing for too long.
    pub(super) fn clear(&self, now: Instant) {
        let (now, limit) = (self.ms(now), u64::try_from(self.limits.stall.as_millis()).unwrap_or(u64::MAX));
        let mut taken = self.lock();
        let is_stuck = |holder: &Holder| {
            let gave = holder.gave_ms.load(Ordering::Relaxed);
            // Who comes back at this moment keeps the place.
            let take = || holder.gave_ms.compare_exchange(gave, LOST, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            gave < LOST && now.saturating_sub(gave) >= limit && take()
        };
        let stuck: Vec<u64> = taken.held.iter().filter(|(_, holder)| is_stuck(holder)).map(|(number, _)| *number).collect();
        for number in stuck {
            metrics::counter!("edge_stock_streams_stalled_total").increment(1);
            taken.free(number);
        }
    }
}

impl Seat {
    fn set(&self, ms: u64) -> bool {
        let keep = |known: u64| (known != LOST).then_some(ms);
        self.holder.gave_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, keep).is_ok()
    }

    /// The reader came back for the next event. Whether the place is still its own.
    #[must_use]
    pub(super) fn comes_back(&self) -> bool {
        self.set(WAITS)
    }

    /// The reader was given an event.
    pub(super) fn was_given(&self, now: Instant) {
        self.set(self.seats.ms(now));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.lock().free(self.number);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: StreamLimits = StreamLimits { most: 6, per_client: 4, stall: Duration::from_secs(60) };

    #[test]
    fn who_takes_nothing_loses_the_place_and_who_waits_does_not() {
        let (seats, now) = (Seats::new(LIMITS), Instant::now());
        let later = |s: u64| now + Duration::from_secs(s);
        let [stuck, waiting, slow] = [1, 2, 3].map(|client| seats.take(client, now).unwrap());
        assert!(waiting.comes_back());
        seats.clear(later(59));
        assert!(slow.comes_back());
        slow.was_given(later(59));
        seats.clear(later(62));
        assert!(!stuck.comes_back() && waiting.comes_back() && slow.comes_back());
        assert_eq!(seats.lock().held.len(), 2);
        drop(stuck);
        let taken = seats.lock();
        assert_eq!((taken.held.len(), taken.of_client.len()), (2, 2), "a place was given back twice");
        // The others give theirs back themselves.
        drop(taken);
    }

    proptest! {
        #[test]
        fn places_are_counted_by_client_and_all_come_back(steps in prop::collection::vec((0_u128..3, any::<bool>()), 1..60)) {
            let (seats, now) = (Seats::new(LIMITS), Instant::now());
            let mut held: Vec<(u128, Seat)> = Vec::new();
            for (client, leaves) in steps {
                let own = held.iter().filter(|(other, _)| *other == client).count();
                if leaves {
                    if let Some(at) = held.iter().position(|(other, _)| *other == client) {
                        held.swap_remove(at);
                    }
                    continue;
                }
                let expected = match (own >= LIMITS.per_client, held.len() >= LIMITS.most) {
                    (true, _) => Some(Refused::TooMany),
                    (false, true) => Some(Refused::Full),
                    (false, false) => None,
                };
                match seats.take(client, now) {
                    Ok(seat) => { prop_assert_eq!(expected, None); held.push((client, seat)); }
                    Err(refused) => prop_assert_eq!(expected, Some(refused)),
                }
            }
            drop(held);
            prop_assert!(seats.lock().held.is_empty() && seats.lock().of_client.is_empty());
        }
    }
}
