//! Milliseconds since the epoch that never go back: read once from the system, then counted by a clock that nobody sets and that goes on
//! while the machine is suspended, so that answers grow old in their sleep.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Of [`since_boot`].
    began: Duration,
    began_ms: u64,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { began: since_boot(), began_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }

    pub(crate) fn now_ms(&self) -> u64 {
        let gone = since_boot().saturating_sub(self.began);
        self.began_ms + u64::try_from(gone.as_millis()).unwrap_or(u64::MAX)
    }
}

/// `CLOCK_MONOTONIC`, which is what `Instant` reads, stands still while the machine is suspended; this one does not.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(now.tv_sec).unwrap_or_default(), nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two differ by the time suspended, and where a time namespace was given another offset for each:
    /// `unshare --time --boottime 1000000` makes this fail for any other clock.
    #[test]
    fn it_counts_the_time_suspended() {
        let uptime = || -> f64 {
            let text = std::fs::read_to_string("/proc/uptime").unwrap();
            text.split_whitespace().next().unwrap().parse().unwrap()
        };
        let (before, read, after) = (uptime(), since_boot().as_secs_f64(), uptime());
        assert!((before - 0.02..=after + 0.02).contains(&read), "{before} {read} {after}");
        let clock = Clock::start();
        let (one, other) = (clock.now_ms(), clock.now_ms());
        assert!(one >= clock.began_ms && other >= one);
    }
}
