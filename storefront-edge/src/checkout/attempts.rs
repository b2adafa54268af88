//! Whether a checkout is sent again, and whether its outcome is known. Every attempt carries the same idempotency key.
//!
//! Pure: what was heard, who leads and how long there is come in.

use std::time::Duration;

/// How often a checkout goes after a leader that has moved.
const HOPS: u32 = 2;

/// Attempts in all, those included.
const ATTEMPTS: u32 = 8;

/// Between two attempts, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// An answer that another attempt would not change.
    Final,
    /// Certainly not bought by this attempt, and perhaps possible later or elsewhere.
    NotNow,
    /// Nothing was sent: another instance may be asked at once.
    LeftAlone,
    /// It may have bought.
    Perhaps,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Answer,
    /// Ask the instance beside the new leader.
    Follow,
    /// Ask the next instance in turn, after the pause.
    Repeat {
        pause: Duration,
    },
    /// Nothing was bought, or nobody knows.
    GiveUp {
        perhaps: bool,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Attempts {
    made: u32,
    hops: u32,
    pause: Duration,
    perhaps: bool,
}

impl Attempts {
    pub(super) fn new() -> Self {
        Self { made: 0, hops: 0, pause: FIRST_PAUSE, perhaps: false }
    }

    pub(super) fn may_have_bought(&self) -> bool {
        self.perhaps
    }

    /// `moved`: since the attempt was sent, a leader of a later term is known. `may_repeat` asks the budget, once at most.
    pub(super) fn next(&mut self, heard: Heard, moved: bool, left: Duration, may_repeat: impl FnOnce() -> bool) -> Next {
        self.made += 1;
        self.perhaps |= heard == Heard::Perhaps;
        if heard == Heard::Final {
            return Next::Answer;
        }
        let give_up = Next::GiveUp { perhaps: self.perhaps };
        if self.made >= ATTEMPTS || left.is_zero() {
            return give_up;
        }
        if moved && self.hops < HOPS {
            self.hops += 1;
            return Next::Follow;
        }
        let pause = if heard == Heard::LeftAlone { Duration::ZERO } else { self.pause };
        if pause >= left || (heard != Heard::LeftAlone && !may_repeat()) {
            return give_up;
        }
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Next::Repeat { pause }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LEFT: Duration = Duration::from_secs(15);

    #[test]
    fn a_leader_is_followed_twice_and_everything_else_is_in_the_budget() {
        let mut attempts = Attempts::new();
        assert_eq!(attempts.next(Heard::NotNow, true, LEFT, || false), Next::Follow);
        assert_eq!(attempts.next(Heard::NotNow, true, LEFT, || false), Next::Follow);
        assert_eq!(attempts.next(Heard::NotNow, true, LEFT, || true), Next::Repeat { pause: FIRST_PAUSE });
        assert_eq!(attempts.next(Heard::LeftAlone, false, LEFT, || false), Next::Repeat { pause: Duration::ZERO });
        assert_eq!(attempts.next(Heard::NotNow, false, LEFT, || false), Next::GiveUp { perhaps: false });
    }

    fn heard() -> impl Strategy<Value = Heard> {
        prop::sample::select(vec![Heard::NotNow, Heard::LeftAlone, Heard::Perhaps, Heard::Final])
    }

    proptest! {
        #[test]
        fn it_ends_and_never_says_not_bought_where_it_may_have_been(
            steps in prop::collection::vec((heard(), any::<bool>(), 0_u64..16_000, any::<bool>()), 1..20),
        ) {
            let (mut attempts, mut perhaps, mut followed) = (Attempts::new(), false, 0);
            for (nth, (heard, moved, left_ms, budget)) in steps.into_iter().enumerate() {
                prop_assert!(nth < 8, "no end");
                perhaps |= heard == Heard::Perhaps;
                let left = Duration::from_millis(left_ms);
                match attempts.next(heard, moved, left, || budget) {
                    Next::Answer => { prop_assert_eq!(heard, Heard::Final); break }
                    Next::GiveUp { perhaps: said } => { prop_assert_eq!(said, perhaps); break }
                    Next::Follow => { followed += 1; prop_assert!(moved && followed <= 2) }
                    Next::Repeat { pause } => prop_assert!(pause < left && (budget || heard == Heard::LeftAlone)),
                }
            }
        }
    }
}
