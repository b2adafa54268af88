//! Up to when the stock is known.
//!
//! Two clocks, kept apart: `as_of` is the inventory's own time and is shown; whether it goes on is measured here, so that clocks that
//! disagree make nothing look old, and a node that says the same time for ever does.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use time::OffsetDateTime;
use tokio::sync::Notify;

/// The feed says something every half second; a new leader is elected in two. What is silent for longer is shown with its time.
pub(super) const CURRENT: Duration = Duration::from_secs(3);

const UNKNOWN: i64 = i64::MIN;
const NEVER: u64 = u64::MAX;

pub(crate) struct Currency {
    began: Instant,
    /// Milliseconds since 1970.
    as_of_ms: AtomicI64,
    /// When it last went on, in milliseconds since `began`.
    heard_ms: AtomicU64,
    first_word: Notify,
}

impl Currency {
    pub(super) fn new(began: Instant) -> Self {
        Self { began, as_of_ms: AtomicI64::new(UNKNOWN), heard_ms: AtomicU64::new(NEVER), first_word: Notify::new() }
    }

    fn since_began_ms(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_millis()).unwrap_or(NEVER - 1)
    }

    /// All changes up to then were told. A first word says nothing of now: a node that was just started tells what it knew before it ended.
    pub(super) fn told(&self, as_of: OffsetDateTime, now: Instant) {
        let ms = i64::try_from(as_of.unix_timestamp_nanos() / 1_000_000).unwrap_or(UNKNOWN);
        let before = self.as_of_ms.fetch_max(ms, Ordering::AcqRel);
        if before == UNKNOWN {
            self.first_word.notify_one();
        } else if before < ms {
            self.heard_ms.store(self.since_began_ms(now), Ordering::Release);
        }
    }

    pub(super) fn as_of(&self) -> Option<OffsetDateTime> {
        let ms = self.as_of_ms.load(Ordering::Acquire);
        if ms == UNKNOWN { None } else { OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000).ok() }
    }

    /// Returns when it is known up to when the stock is known. For one caller.
    pub(super) async fn first_word(&self) {
        self.first_word.notified().await;
    }

    pub(super) fn is_current(&self, now: Instant) -> bool {
        let heard_ms = self.heard_ms.load(Ordering::Acquire);
        heard_ms != NEVER && u128::from(self.since_began_ms(now).saturating_sub(heard_ms)) <= CURRENT.as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_current_only_while_the_told_time_goes_on() {
        let began = Instant::now();
        let currency = Currency::new(began);
        let (at, told) = (|s| began + Duration::from_secs(s), |s| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(s));
        assert!(!currency.is_current(at(0)) && currency.as_of().is_none());
        currency.told(told(99), at(0));
        assert!(!currency.is_current(at(0)) && currency.as_of() == Some(told(99)), "it may be long ago");
        currency.told(told(100), at(1));
        assert!(currency.is_current(at(4)) && !currency.is_current(at(5)));
        // A node without a leader says the same time again.
        currency.told(told(100), at(5));
        assert!(!currency.is_current(at(5)));
        // One that is behind does not take time back.
        currency.told(told(90), at(5));
        assert_eq!((currency.is_current(at(5)), currency.as_of()), (false, Some(told(100))));
        currency.told(told(101), at(6));
        assert_eq!((currency.is_current(at(6)), currency.as_of()), (true, Some(told(101))));
    }
}
