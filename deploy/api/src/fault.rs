//! What may be made wrong with a process, and who holds it so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest lease: so long after the last word of whoever asked for it, a process is whole again.
pub const MAX_LEASE: Duration = Duration::from_secs(60);

/// What is wrong with a process while it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessFault {
    /// Killed as by a crash, and not started before the end.
    Down,
    /// Stopped (SIGSTOP), with all the processes that belong to it: it holds its connections and says nothing.
    Paused,
    /// Stopped for so many of each hundred milliseconds.
    Slow { stopped_percent: u8 },
    /// Killed, started at once, and slow from its first moment.
    SlowStart { stopped_percent: u8 },
    /// Its clock is so many milliseconds ahead, or behind.
    Clock { offset_ms: i64 },
    /// Writes below its data directory fail with ENOSPC.
    DiskFull,
    /// Syncs of its files fail with EIO.
    SyncFails,
}

/// Asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The holder's own name for it.
    pub id: String,
    pub processes: Vec<String>,
    pub fault: ProcessFault,
    /// It heals so long after it was set or renewed.
    pub lease_ms: u64,
}

/// One that there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldView {
    pub id: String,
    pub processes: Vec<String>,
    pub fault: ProcessFault,
    pub left_ms: u64,
}
