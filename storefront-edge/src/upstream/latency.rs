//! How long recent answers took, and from that when a second question is worth while.

use std::time::Duration;

/// Answers remembered; the 95th percentile of 128 rests on six of them.
const KEPT: usize = 128;

/// Fewer tell nothing about the slowest twentieth.
const ENOUGH: usize = 20;

/// The percentile is worked out anew after so many answers.
const EVERY: usize = 16;

/// Sooner than this a second question only doubles the work.
const SOONEST: Duration = Duration::from_millis(10);

#[derive(Clone, Debug, Default)]
pub(crate) struct Latencies {
    recent: Vec<Duration>,
    next: usize,
    since: usize,
    p95: Option<Duration>,
}

impl Latencies {
    pub(crate) fn take(&mut self, took: Duration) {
        if self.recent.len() < KEPT {
            self.recent.push(took);
        } else {
            self.recent[self.next] = took;
        }
        self.next = (self.next + 1) % KEPT;
        self.since += 1;
        if self.recent.len() >= ENOUGH && (self.p95.is_none() || self.since >= EVERY) {
            let mut sorted = self.recent.clone();
            sorted.sort_unstable();
            self.p95 = sorted.get(sorted.len() * 95 / 100).copied();
            self.since = 0;
        }
    }

    /// Takes one that was given up after a while: it would have taken longer still, which counts if that is long.
    pub(crate) fn take_at_least(&mut self, took: Duration) {
        if self.p95.is_some_and(|p95| took >= p95) {
            self.take(took);
        }
    }

    /// When to ask a second time: after the 95th percentile, if that leaves half of the time to the second answer.
    pub(crate) fn hedge_after(&self, limit: Duration) -> Option<Duration> {
        self.p95.map(|p95| p95.max(SOONEST)).filter(|after| *after <= limit / 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_said_of_a_few_and_nothing_of_an_instance_that_is_slow_throughout() {
        let mut latencies = Latencies::default();
        for _ in 0..19 {
            latencies.take(Duration::from_millis(30));
        }
        assert_eq!(latencies.hedge_after(Duration::from_secs(1)), None);
        latencies.take(Duration::from_millis(30));
        assert_eq!(latencies.hedge_after(Duration::from_secs(1)), Some(Duration::from_millis(30)));
        assert_eq!(latencies.hedge_after(Duration::from_millis(40)), None);
    }

    proptest! {
        #[test]
        fn at_most_a_twentieth_took_longer(took in prop::collection::vec(10_u64..5_000, 128)) {
            let mut latencies = Latencies::default();
            for took in &took {
                latencies.take(Duration::from_millis(*took));
            }
            let after = latencies.hedge_after(Duration::from_secs(60)).unwrap();
            let slower = took.iter().filter(|took| Duration::from_millis(**took) > after).count();
            // 112 of the 128 were there when it was worked out last, at the latest.
            prop_assert!(slower <= 6 + 16, "{slower} took longer than {after:?}");
        }
    }
}
