//! How often each client may ask, by class: a token bucket, kept as the one moment at which it would be full again (GCRA).
//!
//! Pure: the moment comes in. The number of clients remembered is bounded: whose bucket is full is forgotten at no cost, and where
//! that frees nothing, those who have to wait least are.

use std::{
    collections::{BinaryHeap, HashMap},
    hash::{BuildHasher, RandomState},
    str::FromStr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::class::Class;

/// Parts of the table, each with its own lock.
const SHARDS: usize = 64;

/// So many a second, and so many at once after a rest. A rate of 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    pub(crate) per_second: u32,
    pub(crate) burst: u32,
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused =
            || format!("{text:?} is no limit: write RATE:BURST, e.g. 10:50 for 10 a second and 50 at once; 0:0 is none");
        let (per_second, burst) = text.split_once(':').ok_or_else(refused)?;
        let limit = Self { per_second: per_second.parse().map_err(|_| refused())?, burst: burst.parse().map_err(|_| refused())? };
        let possible = limit.per_second <= 1_000_000 && (limit.burst > 0) == (limit.per_second > 0) && limit.burst <= 10_000_000;
        if possible { Ok(limit) } else { Err(refused()) }
    }
}

impl Limit {
    /// What one request takes out of the bucket, as time.
    pub(super) fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }

    /// How far the bucket may be from full.
    fn depth(self) -> Duration {
        self.interval() * self.burst
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// And so many more at once.
    Within {
        remaining: u32,
    },
    Over {
        retry_in: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) client: u128,
    pub(super) class: Class,
}

#[derive(Clone, Copy, Debug, Default)]
struct Bucket {
    full_at: Duration,
    /// Taken here since the other edges were told.
    untold: u32,
    /// When the first of them was taken.
    since: Duration,
}

/// What one client took here and the other edges do not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Untold {
    pub(super) key: Key,
    pub(super) taken: u32,
    /// In this stretch of time, which ends now: the bucket has been filling again since it began.
    pub(super) within: Duration,
}

/// Buckets of all clients.
#[derive(Debug)]
pub(crate) struct Rates {
    limits: [Limit; 3],
    most_per_shard: usize,
    hash: RandomState,
    shards: Vec<Mutex<HashMap<Key, Bucket>>>,
}

impl Rates {
    /// `limits` by class; `clients`: remembered at most, counted once for each class.
    pub(crate) fn new(limits: [Limit; 3], clients: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { limits, most_per_shard: clients.div_ceil(SHARDS).max(1), hash: RandomState::new(), shards }
    }

    pub(super) fn limit(&self, class: Class) -> Limit {
        self.limits[class.nth()]
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, HashMap<Key, Bucket>> {
        // Below SHARDS, so it fits.
        let nth = usize::try_from(self.hash.hash_one(key) % SHARDS as u64).unwrap_or_default();
        self.shards[nth].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one request of a client, or refuses it.
    pub(super) fn take(&self, key: Key, now: Duration) -> Verdict {
        let limit = self.limit(key.class);
        if limit.per_second == 0 {
            return Verdict::Within { remaining: u32::MAX };
        }
        let mut shard = self.shard(key);
        if !shard.contains_key(&key) && shard.len() >= self.most_per_shard {
            make_room(&mut shard, now);
        }
        let bucket = shard.entry(key).or_default();
        let full_at = bucket.full_at.max(now) + limit.interval();
        let behind = full_at - now;
        if behind > limit.depth() {
            return Verdict::Over { retry_in: behind - limit.depth() };
        }
        bucket.full_at = full_at;
        if bucket.untold == 0 {
            bucket.since = now;
        }
        bucket.untold = bucket.untold.saturating_add(1);
        let room = (limit.depth() - behind).as_nanos() / limit.interval().as_nanos().max(1);
        Verdict::Within { remaining: u32::try_from(room).unwrap_or(u32::MAX) }
    }

    /// What was taken here and the others do not know: of `most` clients at most, those first that wait longest to be told of.
    pub(super) fn untold(&self, most: usize, now: Duration) -> Vec<Untold> {
        // The oldest so far, the youngest of them on top.
        let mut oldest: BinaryHeap<(Duration, usize, Key)> = BinaryHeap::with_capacity(most + 1);
        for (nth, shard) in self.shards.iter().enumerate() {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, bucket) in shard.iter().filter(|(_, bucket)| bucket.untold > 0) {
                let is_among = oldest.len() < most || oldest.peek().is_some_and(|(youngest, ..)| bucket.since < *youngest);
                if is_among {
                    oldest.push((bucket.since, nth, *key));
                    if oldest.len() > most {
                        oldest.pop();
                    }
                }
            }
        }
        let told = oldest.into_iter().filter_map(|(_, nth, key)| {
            let mut shard = self.shards[nth].lock().unwrap_or_else(PoisonError::into_inner);
            let bucket = shard.get_mut(&key)?;
            let taken = std::mem::take(&mut bucket.untold);
            Some(Untold { key, taken, within: now.saturating_sub(bucket.since) })
        });
        told.collect()
    }

    /// What all edges together took: the bucket is full so long from now.
    pub(super) fn learn(&self, key: Key, now: Duration, behind: Duration) {
        if let Some(bucket) = self.shard(key).get_mut(&key) {
            // Others cannot take more out of it than it holds, or a client would wait for ever.
            bucket.full_at = bucket.full_at.max(now + behind.min(self.limits[key.class.nth()].depth()));
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

/// Forgets full buckets, and where there are none, the half that is closest to full.
fn make_room(shard: &mut HashMap<Key, Bucket>, now: Duration) {
    let before = shard.len();
    shard.retain(|_, bucket| bucket.full_at > now);
    if shard.len() < before {
        return;
    }
    metrics::counter!("edge_rate_clients_forgotten_total").increment(before as u64 / 2);
    let mut full_at: Vec<Duration> = shard.values().map(|bucket| bucket.full_at).collect();
    let (_, median, _) = full_at.select_nth_unstable(before / 2);
    let median = *median;
    shard.retain(|_, bucket| bucket.full_at > median);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: Limit = Limit { per_second: 10, burst: 5 };
    const NONE: Limit = Limit { per_second: 0, burst: 0 };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn of(client: u128) -> Key {
        Key { client, class: Class::Browse }
    }

    #[test]
    fn a_burst_then_the_rate_then_a_rest_gives_a_burst_again() {
        let rates = Rates::new([LIMIT, NONE, NONE], 100);
        let remaining: Vec<_> = (0..5).map(|_| rates.take(of(1), ms(0))).collect();
        assert_eq!(remaining, [4, 3, 2, 1, 0].map(|remaining| Verdict::Within { remaining }));
        assert_eq!(rates.take(of(1), ms(0)), Verdict::Over { retry_in: ms(100) });
        assert_eq!(rates.take(of(2), ms(0)), Verdict::Within { remaining: 4 }, "another client paid for it");
        assert_eq!(rates.take(of(1), ms(100)), Verdict::Within { remaining: 0 });
        assert_eq!(rates.take(of(1), ms(10_000)), Verdict::Within { remaining: 4 });
        let unlimited = Key { client: 1, class: Class::Checkout };
        assert!((0..1_000).all(|_| matches!(rates.take(unlimited, ms(0)), Verdict::Within { .. })));
    }

    #[test]
    fn two_edges_that_tell_each_other_allow_one_limit() {
        let (one, other) = (Rates::new([LIMIT; 3], 100), Rates::new([LIMIT; 3], 100));
        for _ in 0..3 {
            one.take(of(1), ms(0));
            other.take(of(1), ms(0));
        }
        let told = Untold { key: of(1), taken: 3, within: ms(250) };
        assert_eq!((one.untold(9, ms(250)), one.untold(9, ms(250))), (vec![told], vec![]));
        // Six in all are more than the five the bucket holds.
        for rates in [&one, &other] {
            rates.learn(of(1), ms(0), LIMIT.interval() * 6);
            assert!(matches!(rates.take(of(1), ms(0)), Verdict::Over { .. }));
            assert!(matches!(rates.take(of(1), ms(100)), Verdict::Within { .. }));
        }
    }

    #[test]
    fn with_more_clients_than_are_told_at_once_each_is_told_of_in_its_turn() {
        let rates = Rates::new([LIMIT; 3], 10_000);
        let mut told = std::collections::BTreeMap::<u128, u32>::new();
        // All of them ask all the time, and a tenth of them is told of at once.
        for round in 0..20 {
            for client in 0..1_000 {
                rates.take(of(client), ms(round * 1_000));
            }
            let batch = rates.untold(100, ms(round * 1_000 + 1));
            assert_eq!(batch.len(), 100);
            batch.iter().for_each(|untold| *told.entry(untold.key.client).or_default() += 1);
        }
        assert!(told.len() == 1_000 && told.values().all(|times| *times == 2), "{} were told of", told.len());
    }

    #[test]
    fn limits_are_read_or_refused() {
        assert_eq!("10:5".parse(), Ok(LIMIT));
        assert_eq!("0:0".parse(), Ok(NONE));
        for bad in ["", "10", "10:0", "0:5", "-1:5", "a:b", "2000000:5"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }

    proptest! {
        /// Against what a limit means: in no stretch of time are more let through than the burst and what the rate adds in it.
        #[test]
        fn never_more_than_burst_and_rate(pauses in prop::collection::vec(0_u64..250, 1..200)) {
            let rates = Rates::new([LIMIT; 3], 100);
            let (mut now, mut through) = (0, Vec::new());
            for pause in pauses {
                now += pause;
                if matches!(rates.take(of(1), ms(now)), Verdict::Within { .. }) {
                    through.push(now);
                }
            }
            for (from, began) in through.iter().enumerate() {
                for (count, ended) in through[from..].iter().enumerate() {
                    prop_assert!(count as u64 <= 5 + (ended - began) / 100);
                }
            }
        }

        #[test]
        fn however_many_clients_come_memory_is_bounded(clients in prop::collection::vec(any::<u128>(), 1..2_000)) {
            let rates = Rates::new([LIMIT; 3], 128);
            for (at, client) in (0..).zip(&clients) {
                rates.take(of(*client), ms(at / 50));
            }
            prop_assert!(rates.len() <= 128);
        }
    }
}
