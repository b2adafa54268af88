//! How many requests at once something carries, found out from how long they take.
//!
//! Where answers take much longer than they do in quiet times, requests wait in a queue, and a longer queue carries no more. How many are
//! to be under way then follows from how many are answered (Little's law: places = answers a second x the time that each may take). Answers
//! tell of the queue as it was when they were asked for; the rate at which they come does not grow with it, so that a queue which was cut
//! already is not cut again for what is left of it. Pure: the moment and the measurements come in.

use std::time::Duration;

/// Between two decisions.
const INTERVAL: Duration = Duration::from_millis(100);

/// Fewer answers decide nothing: the interval goes on.
const ENOUGH: u32 = 5;

/// Kept where requests were given up, in percent.
const KEPT_WHEN_GIVEN_UP_PERCENT: usize = 50;

/// Kept at least where a queue stands: an interval in which nearly nothing was answered may have been a pause of the service.
const KEPT_IN_A_QUEUE_PERCENT: usize = 10;

/// Kept of a process whose work runs late.
const KEPT_WHEN_LATE_PERCENT: usize = 85;

/// At first: a rush that begins with the process must fit, and must not be a queue that is waited for by all in it.
const AT_FIRST: usize = 128;

/// With the fewest at once, each interval moves what counts as quiet by this part of the way to what is measured: in some ten seconds.
const RELEARN: u32 = 64;

#[derive(Clone, Copy, Debug)]
pub(crate) struct AdaptiveSettings {
    pub(crate) fewest: usize,
    pub(crate) most: usize,
    /// Answers may take twice as long as in quiet times and so much more.
    pub(crate) slack: Duration,
}

#[derive(Clone, Debug)]
pub(crate) struct Adaptive {
    settings: AdaptiveSettings,
    limit: usize,
    quiet: Option<Duration>,
    since: Duration,
    answers: u32,
    took: Duration,
    late: u32,
    busiest: usize,
}

impl Adaptive {
    pub(crate) fn new(settings: AdaptiveSettings) -> Self {
        let (limit, since, took) = (settings.most.min(AT_FIRST), Duration::ZERO, Duration::ZERO);
        Self { settings, limit, quiet: None, since, answers: 0, took, late: 0, busiest: 0 }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Takes an answer, or that none came in time, while so many were under way. Returns the limit from now on.
    pub(crate) fn take(&mut self, now: Duration, took: Duration, in_time: bool, under_way: usize) -> usize {
        self.answers += 1;
        self.took += took;
        self.late += u32::from(!in_time);
        self.busiest = self.busiest.max(under_way);
        if now.saturating_sub(self.since) >= INTERVAL && self.answers >= ENOUGH {
            self.decide(now.saturating_sub(self.since));
            (self.since, self.answers, self.took, self.late, self.busiest) = (now, 0, Duration::ZERO, 0, 0);
        }
        self.limit
    }

    fn decide(&mut self, elapsed: Duration) {
        let AdaptiveSettings { fewest, most, slack } = self.settings;
        let mean = self.took / self.answers;
        let known = self.quiet.map_or(mean, |quiet| quiet.min(mean));
        // With the fewest at once there is no queue of ours: what that takes is what quiet times take by now.
        let are_few = self.limit.min(self.busiest) <= fewest;
        let quiet = if are_few && self.late == 0 { known + (mean - known) / RELEARN } else { known };
        self.quiet = Some(quiet);
        // From what was really under way: a limit that nobody reached is no measure.
        let kept = |percent: usize| (self.limit.min(self.busiest) * percent / 100).max(fewest);
        let bearable = quiet * 2 + slack;
        self.limit = if self.late * 10 > self.answers {
            kept(KEPT_WHEN_GIVEN_UP_PERCENT)
        } else if mean > bearable {
            let carried = u128::from(self.answers) * bearable.as_nanos() / elapsed.as_nanos().max(1);
            let carried = usize::try_from(carried).unwrap_or(most).clamp(kept(KEPT_IN_A_QUEUE_PERCENT), self.limit);
            if are_few { self.limit } else { carried }
        } else if self.busiest * 2 >= self.limit {
            (self.limit + self.limit.isqrt().max(1)).min(most)
        } else {
            // Room that nobody needs now would be filled by the first rush, and its queue be waited for by all in it.
            self.limit
        };
    }
}

/// The same for a whole process, from how late its timers ring: the wait of whatever is ready to run and has no processor.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    settings: AdaptiveSettings,
    limit: usize,
    since: Duration,
    least: Option<Duration>,
    busiest: usize,
}

impl Standing {
    /// `slack`: a wait of so much, at every moment of an interval, is a queue that stands.
    pub(crate) fn new(settings: AdaptiveSettings) -> Self {
        Self { settings, limit: settings.most, since: Duration::ZERO, least: None, busiest: 0 }
    }

    /// Takes how late a timer was while so many requests were under way. Returns the limit from now on.
    ///
    /// The least of an interval counts, as in `CoDel` (RFC 8289): a burst that is worked off within it is no overload.
    pub(crate) fn take(&mut self, now: Duration, late: Duration, under_way: usize) -> usize {
        self.least = Some(self.least.map_or(late, |least| least.min(late)));
        self.busiest = self.busiest.max(under_way);
        if now.saturating_sub(self.since) >= INTERVAL {
            let AdaptiveSettings { fewest, most, slack } = self.settings;
            self.limit = if self.least.take().is_some_and(|least| least > slack) {
                (self.limit.min(self.busiest) * KEPT_WHEN_LATE_PERCENT / 100).max(fewest)
            } else {
                // A twentieth at a time: from a hundred to twenty thousand in eleven seconds.
                (self.limit + (self.limit / 20).max(1)).min(most)
            };
            (self.since, self.busiest) = (now, 0);
        }
        self.limit
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    const SETTINGS: AdaptiveSettings = AdaptiveSettings { fewest: 4, most: 10_000, slack: Duration::from_millis(20) };

    /// A service that works off `per_ms` requests a millisecond, each of which takes `base_ms` where none waits.
    struct Service {
        per_ms: usize,
        base_ms: u64,
        waiting: VecDeque<u64>,
        done_at: VecDeque<(u64, u64)>,
    }

    /// Whoever waits for longer is gone, and counts as late.
    const PATIENCE_MS: u64 = 2_000;

    impl Service {
        fn under_way(&self) -> usize {
            self.waiting.len() + self.done_at.len()
        }

        /// What is answered at `now`, or given up: how long each took.
        fn step(&mut self, now: u64) -> Vec<u64> {
            let gone = self.waiting.iter().take_while(|came| now - **came >= PATIENCE_MS).count();
            let mut took = vec![PATIENCE_MS; gone];
            self.waiting.drain(..gone);
            for _ in 0..self.per_ms {
                let Some(came) = self.waiting.pop_front() else { break };
                self.done_at.push_back((now + self.base_ms, came));
            }
            while let Some((at, came)) = self.done_at.front().copied().filter(|(at, _)| *at <= now) {
                self.done_at.pop_front();
                took.push(at - came);
            }
            took
        }
    }

    /// Goodput per millisecond and the 99th percentile over the last ten of twenty seconds, at `times` what the service carries.
    fn run(per_ms: usize, base_ms: u64, times: usize, limited: bool) -> (f64, u64) {
        let mut service = Service { per_ms, base_ms, waiting: VecDeque::new(), done_at: VecDeque::new() };
        let (mut limit, mut adaptive, mut all) = (SETTINGS.most, Adaptive::new(SETTINGS), Vec::new());
        for now in 0..20_000 {
            // The first second is quiet.
            let arrive = if now < 1_000 { usize::from(now % 2 == 0) } else { per_ms * times };
            for _ in 0..arrive {
                if !limited || service.under_way() < limit {
                    service.waiting.push_back(now);
                }
            }
            let under_way = service.under_way();
            for took in service.step(now) {
                limit = adaptive.take(Duration::from_millis(now), Duration::from_millis(took), took < PATIENCE_MS, under_way);
                if now >= 10_000 {
                    all.push(took);
                }
            }
        }
        all.sort_unstable();
        let useful = all.iter().filter(|took| **took < base_ms * 4 + 100).count();
        (useful as f64 / 10_000.0, all.get(all.len() * 99 / 100).copied().unwrap_or(u64::MAX))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn ten_times_the_load_costs_a_fifth_of_the_goodput_at_most(per_ms in 1_usize..20, base_ms in 1_u64..60) {
            let (goodput, p99) = run(per_ms, base_ms, 10, true);
            prop_assert!(goodput >= 0.8 * per_ms as f64, "{goodput} of {per_ms}");
            prop_assert!(p99 <= base_ms * 3 + 60, "{p99} ms where {base_ms} is quiet");
        }
    }

    /// Some at once, each for `takes_ms`, the others in line. Nine tenths of what it carries for three seconds, then nine times as much for
    /// five: the lowest limit in those, and what was answered of what it carries.
    fn flooded(at_once: usize, takes_ms: u64) -> (usize, f64) {
        let (mut adaptive, mut lowest, mut answered, mut due) = (Adaptive::new(SETTINGS), usize::MAX, 0_u32, 0);
        let (mut waiting, mut busy) = (VecDeque::new(), VecDeque::new());
        let (one, places) = (10 * takes_ms, u64::try_from(at_once).unwrap());
        for now in 0..8_000 {
            due += places * if now < 3_000 { 9 } else { 90 };
            for _ in 0..due / one {
                if waiting.len() + busy.len() < adaptive.limit() {
                    waiting.push_back(now);
                }
            }
            due %= one;
            let under_way = waiting.len() + busy.len();
            while let Some((_, came)) = busy.pop_front_if(|(at, _): &mut (u64, u64)| *at <= now) {
                adaptive.take(Duration::from_millis(now), Duration::from_millis(now - came), true, under_way);
                if now >= 3_000 {
                    (lowest, answered) = (lowest.min(adaptive.limit()), answered + 1);
                }
            }
            while busy.len() < at_once {
                let Some(came) = waiting.pop_front() else { break };
                busy.push_back((now + takes_ms, came));
            }
        }
        (lowest, f64::from(answered) / (5_000.0 * at_once as f64 / takes_ms as f64))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_queue_that_was_cut_already_is_not_cut_again(at_once in 1_usize..40, takes_ms in 2_u64..100) {
            let (lowest, goodput) = flooded(at_once, takes_ms);
            prop_assert!(lowest >= at_once, "{lowest} places leave some of {at_once} idle");
            prop_assert!(goodput >= 0.95, "{goodput}");
        }
    }

    #[test]
    fn slow_answers_one_after_another_are_no_queue() {
        let mut adaptive = Adaptive::new(SETTINGS);
        for now in 0..600_u64 {
            let took = Duration::from_millis(if now < 100 { 5 } else { 200 });
            assert_eq!(adaptive.take(Duration::from_millis(now * 250), took, true, 1), AT_FIRST, "after {now} answers");
        }
    }

    #[test]
    fn without_it_nothing_useful_would_be_left() {
        let (goodput, _) = run(5, 10, 10, false);
        assert!(goodput < 1.0, "{goodput}");
    }

    #[test]
    fn a_service_that_becomes_slow_for_good_is_used_again() {
        let (mut adaptive, mut limit) = (Adaptive::new(SETTINGS), 0);
        for now in 0..600_u64 {
            let took = Duration::from_millis(if now < 100 { 5 } else { 200 });
            for _ in 0..5 {
                limit = adaptive.take(Duration::from_millis(now * 100), took, true, limit.min(300));
            }
        }
        assert!(limit > 300, "{limit}");
    }

    #[test]
    fn a_queue_that_stands_lowers_the_limit_and_a_burst_does_not() {
        let mut standing = Standing::new(SETTINGS);
        let mut run = |from: u64, late: fn(u64) -> u64| {
            (from..from + 100)
                .map(|at| standing.take(Duration::from_millis(at * 10), Duration::from_millis(late(at)), 400))
                .last()
        };
        assert_eq!(run(0, |at| if at % 5 == 0 { 0 } else { 300 }), Some(10_000));
        let low = run(100, |_| 60).unwrap_or_default();
        assert!((4..400).contains(&low), "{low}");
        assert!(run(200, |_| 0).unwrap_or_default() > low);
    }
}
