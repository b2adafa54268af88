//! The one place that reads the wall clock. The leader stamps log entries with it; replicas never look.

use std::{
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use time::OffsetDateTime;

use crate::stock::LogTime;

/// The clock of a simulated world, for the whole process.
static SIMULATED: OnceLock<fn() -> LogTime> = OnceLock::new();

/// Takes the time from a simulation from now on. The first call stands.
pub(crate) fn simulate(now: fn() -> LogTime) {
    SIMULATED.get_or_init(|| now);
}

/// Whether time is simulated.
pub(crate) fn is_simulated() -> bool {
    SIMULATED.get().is_some()
}

/// Milliseconds since the Unix epoch; 0 for a clock set before it.
pub(crate) fn now() -> LogTime {
    if let Some(simulated) = SIMULATED.get() {
        return simulated();
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// For answers. Times outside of what RFC 3339 can write become the epoch.
pub(crate) fn date(time: LogTime) -> OffsetDateTime {
    let millis = i128::from(time.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(millis).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
