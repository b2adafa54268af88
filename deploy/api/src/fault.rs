//! What may be made wrong with a process, and who holds it so.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Longest lease: so long after the last word of whoever asked for it, a process is whole again.
pub const MAX_LEASE: Duration = Duration::from_secs(60);

/// Voters that a fault leaves the inventory at least. With two, whatever is acknowledged is still on two disks; with one it would be on one,
/// and the loss of that one would lose it. With more than two, a cluster of three could not be practised on.
pub const MIN_VOTERS: usize = 2;

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
    /// The inventory's membership counts it no more: it follows the log as a learner. At the end it is a voter again.
    Demoted,
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
    /// Why it is not, or not yet, as asked for; of a vote also when it is healed and not given back yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
