//! What is wrong with a link, and how several faults on one link add up. Pure.

use std::{num::NonZeroU64, time::Duration};

use serde::{Deserialize, Serialize};

/// Longest latency and jitter of one way: far beyond every deadline of the storefront.
pub const MAX_DELAY: Duration = Duration::from_secs(60);

/// One direction of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Way {
    /// Of each byte, one way.
    pub latency_us: u64,
    /// Up to so much more, drawn for each chunk; the order stays.
    pub jitter_us: u64,
    /// Of all connections of the link together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_s: Option<NonZeroU64>,
    /// Nothing is read any more: the sender's window fills up, and nobody is told.
    pub black_hole: bool,
}

/// A link from one process to another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// What the caller sends.
    pub forward: Way,
    /// What the called one sends.
    pub backward: Way,
    /// Connections that are open end with a reset, and new ones as soon as they are accepted.
    pub reset: bool,
    /// New connections are refused; open ones stay.
    pub refuse: bool,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConditionError {
    #[error("latency_us and jitter_us may be up to {} us each", MAX_DELAY.as_micros())]
    TooLong,
    #[error("the condition changes nothing; give at least one of latency_us, jitter_us, bytes_per_s, black_hole, reset, refuse")]
    Nothing,
}

impl Way {
    /// The other on top of this one: delays add up, and the narrowest place counts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let narrowest = [self.bytes_per_s, other.bytes_per_s].into_iter().flatten().min();
        Self {
            latency_us: self.latency_us.saturating_add(other.latency_us),
            jitter_us: self.jitter_us.saturating_add(other.jitter_us),
            bytes_per_s: narrowest,
            black_hole: self.black_hole || other.black_hole,
        }
    }

    pub fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us)
    }

    pub fn jitter(&self) -> Duration {
        Duration::from_micros(self.jitter_us)
    }
}

impl Condition {
    /// The same in both directions.
    #[must_use]
    pub fn both_ways(way: Way) -> Self {
        Self { forward: way, backward: way, ..Self::default() }
    }

    /// Nothing gets through in either direction.
    #[must_use]
    pub fn cut() -> Self {
        Self::both_ways(Way { black_hole: true, ..Way::default() })
    }

    /// As many faults at once as there are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            forward: self.forward.and(other.forward),
            backward: self.backward.and(other.backward),
            reset: self.reset || other.reset,
            refuse: self.refuse || other.refuse,
        }
    }

    /// The same seen from the other end.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { forward: self.backward, backward: self.forward, ..self }
    }

    /// Whether a connection can be made: a handshake needs both directions.
    pub fn connects(&self) -> bool {
        !self.forward.black_hole && !self.backward.black_hole
    }

    /// What a handshake takes before the first byte may be sent.
    pub fn round_trip(&self) -> Duration {
        self.forward.latency() + self.backward.latency()
    }

    /// Whether it can be asked for.
    pub fn check(&self) -> Result<(), ConditionError> {
        let longest = [self.forward, self.backward].into_iter().flat_map(|way| [way.latency(), way.jitter()]).max();
        if longest.is_some_and(|longest| longest > MAX_DELAY) {
            return Err(ConditionError::TooLong);
        }
        if *self == Self::default() { Err(ConditionError::Nothing) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn way() -> impl Strategy<Value = Way> {
        (0_u64..1_000, 0_u64..1_000, prop::option::of(1_u64..1_000), any::<bool>()).prop_map(
            |(latency_us, jitter_us, rate, black_hole)| Way {
                latency_us,
                jitter_us,
                bytes_per_s: rate.and_then(NonZeroU64::new),
                black_hole,
            },
        )
    }

    fn condition() -> impl Strategy<Value = Condition> {
        (way(), way(), any::<bool>(), any::<bool>()).prop_map(|(forward, backward, reset, refuse)| Condition {
            forward,
            backward,
            reset,
            refuse,
        })
    }

    proptest! {
        /// In whatever order faults come, and whichever was there before, the link is as bad.
        #[test]
        fn faults_add_up_in_any_order((a, b, c) in (condition(), condition(), condition())) {
            prop_assert_eq!(a.and(b), b.and(a));
            prop_assert_eq!(a.and(b).and(c), a.and(b.and(c)));
            prop_assert_eq!(a.and(Condition::default()), a);
            prop_assert_eq!(a.turned().and(b.turned()), a.and(b).turned());
            prop_assert_eq!(a.and(b).connects(), a.connects() && b.connects());
        }
    }

    #[test]
    fn nothing_and_too_much_are_refused() {
        assert_eq!(Condition::default().check(), Err(ConditionError::Nothing));
        let late = Way { latency_us: 60_000_001, ..Way::default() };
        assert_eq!(Condition::both_ways(late).check(), Err(ConditionError::TooLong));
        assert_eq!(Condition::cut().check(), Ok(()));
    }
}
