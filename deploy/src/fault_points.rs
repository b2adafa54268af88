//! Places at which a node of the inventory can be hurt: its disk and its clock.
//!
//! Owns: where the switches are. They are files, so that a node that starts anew is as it was.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use disk_faults::DiskFaults;

use crate::plan::Place;

pub(crate) struct FaultPoints {
    directory: PathBuf,
}

impl FaultPoints {
    pub(crate) fn of(place: &Place, process: &str) -> Self {
        Self { directory: place.data_of("fault-points").join(process) }
    }

    /// Has the milliseconds that the clock is ahead; none where it is right.
    pub(crate) fn clock_file(&self) -> PathBuf {
        self.directory.join("clock-offset-ms")
    }

    fn disk(&self, data: &Path) -> io::Result<DiskFaults> {
        DiskFaults::new(data, &self.directory.join("disk"))
    }

    /// With which the process starts on a disk that can be hurt. All is well with it to begin with.
    pub(crate) fn environment(&self, data: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
        let disk = self.disk(data)?;
        disk.set_full(false)?;
        disk.set_sync_fails(false)?;
        self.set_clock(0)?;
        disk.switches_alone()
    }

    pub(crate) fn set_full(&self, data: &Path, full: bool) -> io::Result<()> {
        self.disk(data)?.set_full(full)
    }

    pub(crate) fn set_sync_fails(&self, data: &Path, fails: bool) -> io::Result<()> {
        self.disk(data)?.set_sync_fails(fails)
    }

    pub(crate) fn set_clock(&self, offset_ms: i64) -> io::Result<()> {
        let file = self.clock_file();
        if offset_ms == 0 {
            return fs::remove_file(file)
                .or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) });
        }
        // Never half a number.
        let written = file.with_extension("new");
        fs::write(&written, offset_ms.to_string())?;
        fs::rename(written, file)
    }
}
