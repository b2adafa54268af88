//! That a run goes on at a topology, for whoever wants to end it: one run at a time.
//!
//! The file is never removed: a lock is of a file, and one that was removed is another one. Whoever holds the lock runs, and what the file says
//! is for the others; a process that is killed holds nothing any more.

use std::{
    fs::{File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};

use deploy_api::started;
use serde::{Deserialize, Serialize};

/// Lies beside `topology.json`; empty where nothing goes on.
const FILE: &str = "chaos-run.json";

/// Who holds the lock says who he is at once, and who only looks holds it for a moment. Five seconds: a busy machine may put either off.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// Longest that is read of it: a name of 60 bytes and a number.
const MAX_BYTES: u64 = 1_024;

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
    #[error("a run begins or ends at this topology now ({path} is locked); try it again")]
    Changing { path: PathBuf },
    #[error("{path}: {source}")]
    Unwritable { path: PathBuf, source: io::Error },
}

/// Says nothing any more when the run is gone.
#[derive(Debug)]
pub struct Marker(File);

fn said(file: &File) -> Option<Going> {
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
    let going: Going = serde_json::from_slice(&text).ok()?;
    // Who holds the lock may not have said so yet; until then it is the word of one that was killed.
    (started(going.pid) == Some(going.started)).then_some(going)
}

impl Marker {
    pub fn set(topology_file: &Path, experiment: &str) -> Result<Self, MarkerError> {
        let path = topology_file.with_file_name(FILE);
        let unwritable = |source| MarkerError::Unwritable { path: path.clone(), source };
        let pid = std::process::id();
        let own = Going { experiment: experiment.to_owned(), pid, started: started(pid).unwrap_or_default() };
        let text = serde_json::to_vec(&own).map_err(|error| unwritable(error.into()))?;
        for _ in 0..TRIES {
            let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(unwritable)?;
            match file.try_lock() {
                Ok(()) => {
                    // Of one that was killed.
                    file.set_len(0).and_then(|()| file.write_all(&text)).map_err(unwritable)?;
                    return Ok(Self(file));
                }
                Err(TryLockError::Error(error)) => return Err(unwritable(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            if let Some((experiment, pid)) = Self::found(topology_file) {
                return Err(MarkerError::Busy { experiment, pid });
            }
            sleep(PAUSE);
        }
        Err(MarkerError::Changing { path })
    }

    /// The run that goes on: the name of its experiment and its process.
    pub fn found(topology_file: &Path) -> Option<(String, u32)> {
        let file = File::open(topology_file.with_file_name(FILE)).ok()?;
        let Going { experiment, pid, .. } = said(&file)?;
        // Looked at last, and shared: those who look do not take each other for a run.
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then_some((experiment, pid))
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // The lock ends with the file.
        let _ = self.0.set_len(0);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, sync::Barrier, thread::scope};

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
        let killed = Going { experiment: "killed, and with a longer name".to_owned(), pid: std::process::id(), started: 1 };
        fs::write(topology.with_file_name(FILE), serde_json::to_vec(&killed).unwrap()).unwrap();
        assert_eq!(Marker::found(&topology), None);
        let next = Marker::set(&topology, "next").unwrap();
        assert_eq!(Marker::found(&topology), Some(("next".to_owned(), std::process::id())));
        drop(next);
    }

    /// Over what a killed run left, where whoever found it used to remove the file: also the one that another had made meanwhile.
    #[test]
    fn of_many_that_begin_at_once_one_runs_and_the_others_are_told_which() {
        const MANY: usize = 8;
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let topology = folder.path().join("topology.json");
            let killed = Going { experiment: "killed".to_owned(), pid: std::process::id(), started: 1 };
            fs::write(topology.with_file_name(FILE), serde_json::to_vec(&killed).unwrap()).unwrap();
            let (begin, all_tried) = (Barrier::new(MANY), Barrier::new(MANY));
            let tried: Vec<Result<String, MarkerError>> = scope(|scope| {
                let one = |nth: usize| {
                    let (topology, begin, all_tried) = (&topology, &begin, &all_tried);
                    scope.spawn(move || {
                        let name = format!("run-{nth}");
                        begin.wait();
                        let marker = Marker::set(topology, &name);
                        all_tried.wait();
                        marker.map(|_| name)
                    })
                };
                let threads: Vec<_> = (0..MANY).map(one).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let runs: BTreeSet<String> = tried.iter().filter_map(|of| of.as_ref().ok().cloned()).collect();
            assert_eq!(runs.len(), 1, "{tried:?}");
            let told = |of: &Result<String, MarkerError>| match of {
                Ok(_) => true,
                Err(MarkerError::Busy { experiment, .. }) => runs.contains(experiment),
                Err(_) => false,
            };
            assert!(tried.iter().all(told), "{tried:?}");
        }
    }
}
