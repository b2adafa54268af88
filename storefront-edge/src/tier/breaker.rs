//! Leaves Redis alone for a second when it failed three times in a row.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

const FAILURES: u32 = 3;

const PAUSE_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    open_until_ms: AtomicU64,
}

impl Breaker {
    pub(super) fn is_open(&self, now_ms: u64) -> bool {
        now_ms < self.open_until_ms.load(Ordering::Relaxed)
    }

    pub(super) fn failed(&self, now_ms: u64) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.open_until_ms.store(now_ms + PAUSE_MS, Ordering::Relaxed);
        }
    }

    pub(super) fn succeeded(&self) {
        self.failures.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_failures_in_a_row_are_a_second_of_rest_and_one_more_is_another() {
        let breaker = Breaker::default();
        for _ in 0..2 {
            breaker.failed(0);
        }
        breaker.succeeded();
        breaker.failed(5);
        assert!(!breaker.is_open(5));
        breaker.failed(5);
        breaker.failed(5);
        assert!(breaker.is_open(5) && breaker.is_open(1_004) && !breaker.is_open(1_005));
        breaker.failed(1_005);
        assert!(breaker.is_open(1_006));
        breaker.succeeded();
    }
}
