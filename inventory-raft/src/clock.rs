//! The one place that reads the wall clock. The leader stamps log entries with it; replicas never look.

use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;

use crate::stock::LogTime;

/// Milliseconds since the Unix epoch; 0 for a clock set before it.
pub(crate) fn now() -> LogTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    LogTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// For answers. Times outside of what RFC 3339 can write become the epoch.
pub(crate) fn date(time: LogTime) -> OffsetDateTime {
    let millis = i128::from(time.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(millis).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
