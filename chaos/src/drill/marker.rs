//! That a run goes on at a topology, for whoever wants to end it: one run at a time.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use deploy_api::started;
use serde::{Deserialize, Serialize};

/// Lies beside `topology.json` while a run goes on.
const FILE: &str = "chaos-run.json";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Going {
    experiment: String,
    pid: u32,
    /// With the id it names one process.
    started: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    #[error("{experiment:?} goes on at this topology (process {pid}); `chaos abort` ends it")]
    Busy { experiment: String, pid: u32 },
    #[error("{path}: {source}")]
    Unwritable { path: PathBuf, source: std::io::Error },
}

/// Gone when the run is.
#[derive(Debug)]
pub struct Marker(PathBuf);

fn going(path: &Path) -> Option<Going> {
    let going: Going = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    (started(going.pid) == Some(going.started)).then_some(going)
}

impl Marker {
    pub fn set(topology_file: &Path, experiment: &str) -> Result<Self, MarkerError> {
        let path = topology_file.with_file_name(FILE);
        let unwritable = |source| MarkerError::Unwritable { path: path.clone(), source };
        let pid = std::process::id();
        let own = Going { experiment: experiment.to_owned(), pid, started: started(pid).unwrap_or_default() };
        let text = serde_json::to_vec(&own).map_err(|error| unwritable(error.into()))?;
        for _ in 0..2 {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(mut file) => {
                    file.write_all(&text).map_err(unwritable)?;
                    return Ok(Self(path));
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                    if let Some(Going { experiment, pid, .. }) = going(&path) {
                        return Err(MarkerError::Busy { experiment, pid });
                    }
                    // Of one that was killed.
                    fs::remove_file(&path).map_err(unwritable)?;
                }
                Err(error) => return Err(unwritable(error)),
            }
        }
        Err(MarkerError::Busy { experiment: experiment.to_owned(), pid })
    }

    /// The run that goes on: the name of its experiment and its process.
    pub fn found(topology_file: &Path) -> Option<(String, u32)> {
        going(&topology_file.with_file_name(FILE)).map(|going| (going.experiment, going.pid))
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_run_at_a_time_and_one_that_was_killed_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let topology = folder.path().join("topology.json");
        let marker = Marker::set(&topology, "first").unwrap();
        assert_eq!(Marker::found(&topology), Some(("first".to_owned(), std::process::id())));
        assert!(matches!(Marker::set(&topology, "second"), Err(MarkerError::Busy { experiment, .. }) if experiment == "first"));
        drop(marker);
        assert_eq!(Marker::found(&topology), None);
        let killed = Going { experiment: "killed".to_owned(), pid: std::process::id(), started: 1 };
        fs::write(topology.with_file_name(FILE), serde_json::to_vec(&killed).unwrap()).unwrap();
        assert_eq!(Marker::found(&topology), None);
        assert!(Marker::set(&topology, "next").is_ok());
    }
}
