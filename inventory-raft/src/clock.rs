//! The one place that reads the wall clock. The leader stamps log entries with it; replicas never look.

use std::{
    path::PathBuf,
    sync::{
        OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
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

/// How far this node's clock is ahead of the machine's, in milliseconds. For drills.
static AHEAD_MS: AtomicI64 = AtomicI64::new(0);

/// Between two looks at the file.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Sets the clock wrong by what the file says, for ever; without a file, or a number in it, it is right.
pub(crate) async fn follow(file: PathBuf) {
    loop {
        let said = tokio::fs::read_to_string(&file).await.ok().and_then(|text| text.trim().parse().ok()).unwrap_or_default();
        if AHEAD_MS.swap(said, Ordering::Relaxed) != said {
            tracing::warn!(ahead_ms = said, "the clock of this node was set");
        }
        metrics::gauge!("inventory_clock_ahead_ms").set(now().0 as f64 - machine_ms() as f64);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn machine_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Milliseconds since the Unix epoch; 0 for a clock set before it.
pub(crate) fn now() -> LogTime {
    if let Some(simulated) = SIMULATED.get() {
        return simulated();
    }
    LogTime(machine_ms().saturating_add_signed(AHEAD_MS.load(Ordering::Relaxed)))
}

/// For answers. Times outside of what RFC 3339 can write become the epoch.
pub(crate) fn date(time: LogTime) -> OffsetDateTime {
    let millis = i128::from(time.0) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(millis).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
