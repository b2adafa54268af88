//! Disk space: before the disk is full, new reservations are refused, so that what is promised can still be confirmed or released.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

/// Between two looks. A log grows by some 20 MB in this time at full speed, far below the reserve.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How much better it must be than the limit for the alarm to end, so that it does not come and go: a tenth.
const HYSTERESIS: u64 = 10;

/// When the alarm goes off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes that must stay free on the disk.
    pub(crate) min_free: u64,
    /// Bytes that the data directory may take; 0: as many as there are.
    pub(crate) max_used: u64,
}

/// What was seen at the last look, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) free: u64,
    pub(crate) used: u64,
    pub(crate) is_short: bool,
}

impl Limits {
    fn is_short(self, free: u64, used: u64, was_short: bool) -> bool {
        let (mut floor, mut ceiling) = (self.min_free, self.max_used);
        if was_short {
            floor += floor / HYSTERESIS;
            ceiling -= ceiling / HYSTERESIS;
        }
        free < floor || self.max_used > 0 && used > ceiling
    }
}

/// Looks at the disk now and then.
pub(crate) struct Space {
    directory: PathBuf,
    limits: Limits,
    seen: watch::Sender<Seen>,
    /// One look at a time.
    looking: Mutex<()>,
}

impl Space {
    pub(crate) fn new(directory: &Path, limits: Limits) -> Arc<Self> {
        Arc::new(Self { directory: directory.to_owned(), limits, seen: watch::Sender::default(), looking: Mutex::new(()) })
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    fn look(&self) -> io::Result<()> {
        let _one = self.looking.lock().unwrap_or_else(PoisonError::into_inner);
        let disk = rustix::fs::statvfs(&self.directory)?;
        let (free, used) = (disk.f_bavail * disk.f_frsize, bytes_below(&self.directory)?);
        let before = self.seen();
        let is_short = self.limits.is_short(free, used, before.is_short);
        self.seen.send_replace(Seen { free, used, is_short });
        metrics::gauge!("inventory_disk_free_bytes").set(free as f64);
        metrics::gauge!("inventory_data_bytes").set(used as f64);
        metrics::gauge!("inventory_alarm", "alarm" => "no_space").set(if is_short { 1.0 } else { 0.0 });
        if is_short != before.is_short {
            tracing::warn!(free, used, alarm = is_short, "disk space: new reservations are refused while the alarm is on");
        }
        Ok(())
    }

    /// Looks for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            let space = self.clone();
            match tokio::task::spawn_blocking(move || space.look()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the disk cannot be looked at"),
                Err(_) => return,
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// Bytes of the blocks that files take. A file that goes away in the middle counts as nothing.
fn bytes_below(directory: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut sum = 0;
    for entry in fs::read_dir(directory)? {
        let Ok(entry) = entry else { continue };
        sum += match entry.metadata() {
            Ok(found) if found.is_dir() => bytes_below(&entry.path()).unwrap_or(0),
            Ok(found) => found.blocks() * 512,
            Err(_) => 0,
        };
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alarm_goes_on_at_the_limit_and_off_well_below() {
        let limits = Limits { min_free: 100, max_used: 1_000 };
        assert!(!limits.is_short(100, 1_000, false));
        assert!(limits.is_short(99, 0, false) && limits.is_short(500, 1_001, false));
        assert!(limits.is_short(105, 0, true) && limits.is_short(500, 950, true));
        assert!(!limits.is_short(110, 900, true));
        assert!(!Limits { min_free: 0, max_used: 0 }.is_short(0, u64::MAX, false));
    }
}
