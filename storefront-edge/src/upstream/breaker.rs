//! A circuit breaker of one instance: closed, open for a while, half open with a single probe.
//!
//! Pure: the moment comes in as the time since some start. Must not: know what is sent or count what an answer means.

use std::time::Duration;

/// Slices of the window; the share of failures forgets a tenth of its past at a time.
const SLICES: u32 = 10;

#[derive(Clone, Debug)]
pub(crate) struct BreakerSettings {
    /// Failures in a row that open it.
    pub(crate) consecutive: u32,
    /// The share of failures is taken over this.
    pub(crate) window: Duration,
    /// Fewer outcomes in the window say nothing.
    pub(crate) min_outcomes: u32,
    /// Share of failures in percent that opens it.
    pub(crate) max_failed_percent: u32,
    /// How long it is open: at first, and at most after failed probes, each of which doubles it.
    pub(crate) open: Duration,
    pub(crate) longest_open: Duration,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            consecutive: 5,
            window: Duration::from_secs(10),
            min_outcomes: 20,
            max_failed_percent: 50,
            open: Duration::from_millis(500),
            longest_open: Duration::from_secs(10),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Closed,
    Open,
    HalfOpen,
}

/// Shown when the outcome is told, so that one of a time gone by changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ticket {
    epoch: u64,
    pub(crate) probe: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Worked,
    Failed,
    /// Given up by the caller: it says nothing.
    Abandoned,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open {
        until: Duration,
        wait: Duration,
    },
    /// The probe is under way, or the next caller makes one.
    HalfOpen {
        probing: bool,
        wait: Duration,
    },
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    nth: u64,
    worked: u32,
    failed: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Breaker {
    settings: BreakerSettings,
    phase: Phase,
    /// Changes with each change of phase.
    epoch: u64,
    in_a_row: u32,
    slices: [Slice; SLICES as usize],
}

impl Breaker {
    pub(crate) fn new(settings: BreakerSettings) -> Self {
        Self { settings, phase: Phase::Closed, epoch: 0, in_a_row: 0, slices: [Slice::default(); SLICES as usize] }
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Closed => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    /// Whether a request would be let through now.
    pub(crate) fn would_admit(&self, now: Duration) -> bool {
        match self.phase {
            Phase::Closed => true,
            Phase::Open { until, .. } => now >= until,
            Phase::HalfOpen { probing, .. } => !probing,
        }
    }

    /// Lets a request through, or not.
    pub(crate) fn admit(&mut self, now: Duration) -> Option<Ticket> {
        if !self.would_admit(now) {
            return None;
        }
        match self.phase {
            Phase::Closed => Some(Ticket { epoch: self.epoch, probe: false }),
            Phase::Open { wait, .. } => {
                self.enter(Phase::HalfOpen { probing: true, wait });
                Some(Ticket { epoch: self.epoch, probe: true })
            }
            Phase::HalfOpen { wait, .. } => {
                self.phase = Phase::HalfOpen { probing: true, wait };
                Some(Ticket { epoch: self.epoch, probe: true })
            }
        }
    }

    /// Takes what became of an admitted request.
    pub(crate) fn tell(&mut self, now: Duration, ticket: Ticket, outcome: Outcome) {
        if ticket.epoch != self.epoch {
            return;
        }
        match (self.phase, outcome) {
            (Phase::Closed, Outcome::Worked) => {
                self.in_a_row = 0;
                self.slice(now).worked += 1;
            }
            (Phase::Closed, Outcome::Failed) => {
                self.in_a_row += 1;
                self.slice(now).failed += 1;
                if self.in_a_row >= self.settings.consecutive || self.fails_too_often(now) {
                    let wait = self.settings.open;
                    self.enter(Phase::Open { until: now + wait, wait });
                }
            }
            (Phase::HalfOpen { .. }, Outcome::Worked) => self.enter(Phase::Closed),
            (Phase::HalfOpen { wait, .. }, Outcome::Failed) => {
                let wait = (wait * 2).min(self.settings.longest_open);
                self.enter(Phase::Open { until: now + wait, wait });
            }
            (Phase::HalfOpen { wait, .. }, Outcome::Abandoned) => self.phase = Phase::HalfOpen { probing: false, wait },
            (Phase::Closed, Outcome::Abandoned) | (Phase::Open { .. }, _) => {}
        }
    }

    /// The past is forgotten with every change.
    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.epoch += 1;
        self.in_a_row = 0;
        self.slices = [Slice::default(); SLICES as usize];
    }

    fn slice(&mut self, now: Duration) -> &mut Slice {
        let nth = self.nth(now);
        let slice = &mut self.slices[usize::try_from(nth % u64::from(SLICES)).unwrap_or_default()];
        if slice.nth != nth {
            *slice = Slice { nth, ..Slice::default() };
        }
        slice
    }

    fn nth(&self, now: Duration) -> u64 {
        let slice = (self.settings.window / SLICES).max(Duration::from_millis(1));
        u64::try_from(now.as_micros() / slice.as_micros()).unwrap_or(u64::MAX)
    }

    fn fails_too_often(&self, now: Duration) -> bool {
        let nth = self.nth(now);
        let recent = self.slices.iter().filter(|slice| nth - slice.nth.min(nth) < u64::from(SLICES));
        let (worked, failed) = recent.fold((0, 0), |(w, f), slice| (w + slice.worked, f + slice.failed));
        worked + failed >= self.settings.min_outcomes && failed * 100 >= self.settings.max_failed_percent * (worked + failed)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new(BreakerSettings::default());
        for _ in 0..5 {
            let ticket = breaker.admit(ms(0)).unwrap();
            breaker.tell(ms(0), ticket, Outcome::Failed);
        }
        assert_eq!(breaker.state(), State::Open);
        breaker
    }

    #[test]
    fn one_probe_decides_and_each_failed_one_doubles_the_wait() {
        let mut breaker = opened();
        assert_eq!(breaker.admit(ms(499)), None);
        let probe = breaker.admit(ms(500)).unwrap();
        assert!(probe.probe && breaker.admit(ms(501)).is_none(), "a second one beside the probe");
        breaker.tell(ms(600), probe, Outcome::Failed);
        assert_eq!((breaker.admit(ms(1_599)), breaker.state()), (None, State::Open));
        let abandoned = breaker.admit(ms(1_600)).unwrap();
        breaker.tell(ms(1_700), abandoned, Outcome::Abandoned);
        let probe = breaker.admit(ms(1_701)).unwrap();
        breaker.tell(ms(1_702), probe, Outcome::Worked);
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_share_of_failures_opens_it_too_and_old_ones_are_forgotten() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        let mut run = |from: u64, outcomes: u32| {
            for nth in 0..outcomes {
                let Some(ticket) = breaker.admit(ms(from)) else { return State::Open };
                breaker.tell(ms(from), ticket, if nth % 2 == 0 { Outcome::Failed } else { Outcome::Worked });
            }
            breaker.state()
        };
        assert_eq!(run(0, 19), State::Closed);
        assert_eq!(run(30_000, 19), State::Closed, "what is long ago was counted");
        assert_eq!(run(30_000, 2), State::Open);
    }

    #[test]
    fn an_answer_to_what_was_sent_before_changes_nothing() {
        let mut breaker = Breaker::new(BreakerSettings::default());
        let slow = breaker.admit(ms(0)).unwrap();
        for _ in 0..5 {
            let ticket = breaker.admit(ms(0)).unwrap();
            breaker.tell(ms(0), ticket, Outcome::Failed);
        }
        breaker.tell(ms(1), slow, Outcome::Worked);
        assert_eq!(breaker.state(), State::Open);
    }

    proptest! {
        /// Whatever happens: never two probes at once, nothing before its time while open, and only a probe's success closes it.
        #[test]
        fn never_two_probes_and_nothing_while_open(steps in prop::collection::vec((0_u64..400, 0_u8..4, any::<prop::sample::Index>()), 1..300)) {
            let mut breaker = Breaker::new(BreakerSettings::default());
            let (mut now, mut out, mut opened_at) = (Duration::ZERO, Vec::<Ticket>::new(), None);
            for (pause, what, which) in steps {
                now += ms(pause);
                let before = breaker.state();
                if what == 0 {
                    if let Some(ticket) = breaker.admit(now) {
                        if before == State::Open {
                            prop_assert!(now >= opened_at.unwrap_or_default() + ms(500));
                        }
                        prop_assert_eq!(ticket.probe, before != State::Closed);
                        out.push(ticket);
                    }
                } else if !out.is_empty() {
                    let ticket = out.swap_remove(which.index(out.len()));
                    let outcome = [Outcome::Worked, Outcome::Failed, Outcome::Abandoned][usize::from(what - 1)];
                    breaker.tell(now, ticket, outcome);
                    if before != State::Closed && breaker.state() == State::Closed {
                        prop_assert!(ticket.probe && outcome == Outcome::Worked);
                    }
                }
                if before != State::Open && breaker.state() == State::Open {
                    opened_at = Some(now);
                }
                let probes = out.iter().filter(|ticket| ticket.probe && ticket.epoch == breaker.epoch).count();
                prop_assert!(probes <= 1);
            }
        }
    }
}
