//! Which instances of a group get no traffic for a while, because they fail and their siblings do not.
//!
//! Pure: the moment comes in. Where all fail alike, as when something behind all of them is away, none is taken out.

use std::time::Duration;

/// Failures are counted over this.
const WINDOW: Duration = Duration::from_secs(10);

/// Fewer outcomes in the window say nothing.
const MIN_OUTCOMES: u32 = 8;

/// Taken out: for so long at first, each time in a row so much longer, never longer than the last.
const FIRST_OUT: Duration = Duration::from_secs(5);
const LONGEST_OUT: Duration = Duration::from_secs(30);

/// What an instance answered lately.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    since: Duration,
    worked: u32,
    /// It failed by itself: no connection, no answer, 500, 502.
    failed: u32,
    /// It answered that something it needs is away: 503, 504.
    passed_on: u32,
}

impl Tally {
    fn all(&self) -> u32 {
        self.worked + self.failed + self.passed_on
    }

    fn percent(&self, of: u32) -> u32 {
        if self.all() == 0 { 0 } else { of * 100 / self.all() }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Worked,
    Failed,
    PassedOn,
}

#[derive(Clone, Copy, Debug, Default)]
struct Member {
    tally: Tally,
    out_until: Option<Duration>,
    times: u32,
}

/// Instances that can stand in for each other.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    members: Vec<Member>,
}

impl Group {
    pub(crate) fn new(size: usize) -> Self {
        Self { members: vec![Member::default(); size] }
    }

    /// At most half of a group, rounded down, is out at once: one alone never is.
    fn most_out(&self) -> usize {
        self.members.len() / 2
    }

    pub(crate) fn is_out(&self, nth: usize, now: Duration) -> bool {
        self.members.get(nth).and_then(|member| member.out_until).is_some_and(|until| now < until)
    }

    /// Takes an outcome; tells whether the instance was taken out by it.
    pub(crate) fn tell(&mut self, nth: usize, now: Duration, told: Told) -> bool {
        let out = (0..self.members.len()).filter(|other| self.is_out(*other, now)).count();
        let (most, others) = (self.most_out(), self.others_pass_on_percent(nth, now));
        let Some(member) = self.members.get_mut(nth) else { return false };
        if member.out_until.is_some_and(|until| now < until) {
            return false;
        }
        if member.out_until.take().is_some() || now.saturating_sub(member.tally.since) > WINDOW {
            // A window without ejection makes up for an earlier one.
            if now.saturating_sub(member.tally.since) > WINDOW && member.tally.failed == 0 {
                member.times = member.times.saturating_sub(1);
            }
            member.tally = Tally { since: now, ..Tally::default() };
        }
        match told {
            Told::Worked => member.tally.worked += 1,
            Told::Failed => member.tally.failed += 1,
            Told::PassedOn => member.tally.passed_on += 1,
        }
        let (tally, enough) = (member.tally, member.tally.all() >= MIN_OUTCOMES);
        let by_itself = tally.percent(tally.failed) >= 50;
        let beside_others = others.is_some_and(|others| tally.percent(tally.failed + tally.passed_on) >= 50.max(others * 2));
        if told == Told::Worked || !enough || !(by_itself || beside_others) || out >= most {
            return false;
        }
        let long = (FIRST_OUT * 2_u32.saturating_pow(member.times.min(8))).min(LONGEST_OUT);
        member.times += 1;
        member.out_until = Some(now + long);
        member.tally = Tally { since: now, ..Tally::default() };
        true
    }

    /// Share of answers of the siblings that are no good, where they have answered lately.
    fn others_pass_on_percent(&self, nth: usize, now: Duration) -> Option<u32> {
        let recent = |member: &&Member| now.saturating_sub(member.tally.since) <= 2 * WINDOW;
        let others = self.members.iter().enumerate().filter(|(other, _)| *other != nth).map(|(_, member)| member);
        let (mut all, mut bad) = (0, 0);
        for member in others.filter(recent) {
            all += member.tally.all();
            bad += member.tally.failed + member.tally.passed_on;
        }
        (all >= MIN_OUTCOMES).then(|| bad * 100 / all)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn s(s: u64) -> Duration {
        Duration::from_secs(s)
    }

    #[test]
    fn the_one_that_fails_is_out_for_a_while_and_longer_the_next_time() {
        let mut group = Group::new(3);
        let out = (0..8).any(|_| group.tell(1, s(1), Told::Failed));
        assert!(out && group.is_out(1, s(5)) && !group.is_out(1, s(6)));
        assert!((0..8).any(|_| group.tell(1, s(7), Told::Failed)));
        assert!(group.is_out(1, s(16)) && !group.is_out(1, s(17)));
        assert!(!(0..20).any(|_| Group::new(1).tell(0, s(1), Told::Failed)), "the only one was taken out");
    }

    #[test]
    fn where_something_behind_all_of_them_is_away_none_is_out() {
        let mut group = Group::new(3);
        for nth in (0..90).map(|at| at % 3) {
            assert!(!group.tell(nth, s(1), Told::PassedOn));
        }
        let mut group = Group::new(2);
        for _ in 0..10 {
            group.tell(0, s(1), Told::Worked);
        }
        assert!((0..10).any(|_| group.tell(1, s(1), Told::PassedOn)), "its sibling does better");
    }

    proptest! {
        #[test]
        fn never_more_than_half_are_out(size in 1_usize..7, told in prop::collection::vec((0_usize..7, 0_u64..900, 0_u8..3), 1..600)) {
            let (mut group, mut now) = (Group::new(size), Duration::ZERO);
            for (nth, pause, what) in told {
                now += Duration::from_millis(pause);
                let what = [Told::Worked, Told::Failed, Told::PassedOn][usize::from(what)];
                group.tell(nth % size, now, what);
                prop_assert!((0..size).filter(|nth| group.is_out(*nth, now)).count() <= size / 2);
            }
        }
    }
}
