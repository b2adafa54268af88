//! One run as everything that is known of it afterwards: what `RUN.json` has, and what a report is made from.
//!
//! Owns: the shape. Must not: judge, read or draw.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use deploy_api::Topology;
use serde::{Deserialize, Serialize};

use crate::check::{Outcome, Verdict};

/// A run. Times are milliseconds since it began.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    pub name: String,
    /// What was expected to be true.
    #[serde(default)]
    pub hypothesis: String,
    pub seed: u64,
    pub topology: String,
    /// By program, and of the machine.
    pub versions: BTreeMap<String, String>,
    /// The command that repeats it.
    pub command: String,
    /// RFC 3339.
    pub began_at: String,
    pub length_ms: u64,
    /// From when on it was steady, before anything was broken; `None`: nobody waited for it, or it never was.
    #[serde(default)]
    pub steady_ms: Option<u64>,
    pub samples: Vec<Sample>,
    pub faults: Vec<Fault>,
    pub reigns: Vec<Reign>,
    /// Empty: nobody looked.
    #[serde(default)]
    pub replicas: Vec<Replicas>,
    pub load: Load,
    /// Share of checkouts that has to succeed, in parts of a million; what is beyond is the error budget.
    pub objective_ppm: u64,
    #[serde(default)]
    pub recovery: Option<Recovery>,
    /// Acknowledged operations that were lost.
    #[serde(default)]
    pub rpo_ops: u64,
    #[serde(default)]
    pub checks: Vec<Verdict>,
    /// Why nothing is proved by it, whatever the checks say: a fault that did not bite.
    #[serde(default)]
    pub invalid: Option<String>,
    /// Why it was given up before its end.
    #[serde(default)]
    pub aborted: Option<String>,
    /// The file of the experiment, to repeat it.
    #[serde(default)]
    pub experiment: Option<String>,
}

/// What clients of one region saw of one kind of request in one second.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The second in which the requests were due.
    pub second: u64,
    pub region: String,
    /// `checkout`, `browse`, `inventory`.
    pub kind: String,
    /// Answered with what was asked for, or with a refusal that is an answer (sold out).
    pub ok: u64,
    pub errors: BTreeMap<String, u64>,
    /// From the moment a request was due.
    pub p50_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

impl Sample {
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }
}

/// A fault that was in place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    pub name: String,
    pub target: String,
    pub from_ms: u64,
    /// `None`: until the end.
    pub to_ms: Option<u64>,
    /// How it was seen to bite.
    #[serde(default)]
    pub proof: Option<String>,
    /// Regions whose edges it was at: nobody is served there meanwhile.
    #[serde(default)]
    pub without: Vec<String>,
}

/// Who led since when, as far as anybody who was asked knew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reign {
    pub at_ms: u64,
    pub term: u64,
    /// Name of the process; `None`: nobody.
    pub leader: Option<String>,
}

/// Whether every node of the inventory had what the newest log had a second before, since then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replicas {
    pub at_ms: u64,
    pub level: bool,
}

/// What the load generator did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Arrivals that were due.
    pub offered: u64,
    /// Not begun, because too many were under way.
    pub shed: u64,
    /// How late the generator itself was at the worst: beyond a few milliseconds it measured itself.
    pub lag_us: u64,
}

/// How the service came back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovery {
    pub faults: Vec<Recovered>,
    /// The longest time without an answered checkout, by region.
    pub windows: Vec<Window>,
}

/// The phases after one fault, each in milliseconds from the fault on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recovered {
    pub fault: String,
    /// Somebody noticed: the leader was no longer known, or another one was.
    pub detected_ms: Option<u64>,
    pub elected_ms: Option<u64>,
    /// Checkouts are answered again; 0: they never stopped. `None`: not before the end.
    pub rto_ms: Option<u64>,
    /// p99 of a whole second within 1.2 times that of before.
    pub level_ms: Option<u64>,
    /// Every order that was accepted meanwhile is recorded in PostgreSQL; 0: none waited. `None`: not before the end.
    #[serde(default)]
    pub drained_ms: Option<u64>,
    /// Every node of the inventory has what the others have; 0: none fell behind. `None`: not before the end, or nobody looked.
    #[serde(default)]
    pub replicas_ms: Option<u64>,
}

impl Recovered {
    /// The leader was lost, or lost its place.
    pub fn misses_leader(&self) -> bool {
        self.detected_ms.is_some() || self.elected_ms.is_some()
    }

    /// In the order in which they usually come.
    pub fn phases(&self) -> [Option<u64>; 6] {
        let Self { detected_ms, elected_ms, rto_ms, level_ms, drained_ms, replicas_ms, .. } = *self;
        [detected_ms, elected_ms, rto_ms, level_ms, drained_ms, replicas_ms]
    }
}

/// A time without an answered checkout.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub region: String,
    pub from_ms: u64,
    pub to_ms: u64,
}

impl Window {
    pub fn length_ms(&self) -> u64 {
        self.to_ms - self.from_ms
    }
}

/// The run in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Grade {
    Pass,
    Fail,
    Invalid,
    /// Given up before its end; what was seen until then is not wrong.
    Aborted,
}

#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a run: {source}")]
    Malformed { path: PathBuf, source: serde_json::Error },
}

impl Run {
    pub fn read(path: &Path) -> Result<Self, RunError> {
        let text = std::fs::read(path).map_err(|source| RunError::Unreadable { path: path.to_owned(), source })?;
        serde_json::from_slice(&text).map_err(|source| RunError::Malformed { path: path.to_owned(), source })
    }

    /// A violation outweighs everything; what proves nothing is never a pass.
    pub fn grade(&self) -> Grade {
        let any = |outcome| self.checks.iter().any(|check| check.outcome == outcome);
        if any(Outcome::Fail) {
            Grade::Fail
        } else if self.aborted.is_some() {
            Grade::Aborted
        } else if self.invalid.is_some() || any(Outcome::Undecided) || !any(Outcome::Pass) {
            Grade::Invalid
        } else {
            Grade::Pass
        }
    }

    /// Kinds of requests, in order of name.
    pub fn regions(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.samples.iter().map(|sample| &sample.region).collect();
        all.into_iter().cloned().collect()
    }

    /// The error budget of the run that is spent, in hundredths: 100 is all of it. `None`: there was no checkout.
    pub fn budget_spent(&self) -> Option<u64> {
        let checkouts = || self.samples.iter().filter(|sample| sample.kind == "checkout");
        let failed: u64 = checkouts().map(Sample::failed).sum();
        let all = failed + checkouts().map(|sample| sample.ok).sum::<u64>();
        let allowed_ppm = (all > 0).then(|| all * 1_000_000_u64.saturating_sub(self.objective_ppm))?;
        Some(if failed == 0 { 0 } else { (failed * 100_000_000).checked_div(allowed_ppm).unwrap_or(u64::MAX) })
    }
}

/// A topology in one line.
pub fn describe(topology: &Topology) -> String {
    let regions: BTreeSet<&str> = topology.processes.iter().map(|process| process.region.as_str()).collect();
    let regions: Vec<&str> = regions.into_iter().collect();
    format!("{}: {} processes in {}", topology.name, topology.processes.len(), regions.join(", "))
}

/// Of this program and the machine.
pub fn versions() -> BTreeMap<String, String> {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let machine = format!("{} {}, {processors} processors", std::env::consts::OS, kernel.trim());
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    BTreeMap::from([("chaos".to_owned(), format!("{} ({build})", env!("CARGO_PKG_VERSION"))), ("machine".to_owned(), machine)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_passes_only_with_proof() {
        let verdict = |outcome| Verdict::new("x", outcome, String::new(), Vec::new());
        let graded = |outcomes: &[Outcome], invalid: Option<&str>| {
            let checks = outcomes.iter().map(|outcome| verdict(*outcome)).collect();
            Run { checks, invalid: invalid.map(str::to_owned), ..Run::default() }.grade()
        };
        use Outcome::{Fail, Pass, Skipped, Undecided};
        assert_eq!(graded(&[Pass, Skipped], None), Grade::Pass);
        assert_eq!(graded(&[Pass], Some("did not bite")), Grade::Invalid);
        assert_eq!(graded(&[Pass, Undecided], None), Grade::Invalid);
        assert_eq!(graded(&[Skipped], None), Grade::Invalid);
        assert_eq!(graded(&[Pass, Fail], Some("did not bite")), Grade::Fail);
        let aborted = |outcome| Run { aborted: Some("operator".to_owned()), checks: vec![verdict(outcome)], ..Run::default() };
        assert_eq!((aborted(Pass).grade(), aborted(Fail).grade()), (Grade::Aborted, Grade::Fail));
    }

    #[test]
    fn the_budget_is_what_may_fail() {
        let errors = BTreeMap::from([("503".to_owned(), 5)]);
        let sample = Sample { kind: "checkout".to_owned(), ok: 9_995, errors, ..Sample::default() };
        let run = Run { samples: vec![sample], objective_ppm: 999_000, ..Run::default() };
        assert_eq!(run.budget_spent(), Some(50));
        assert_eq!(Run::default().budget_spent(), None);
    }
}
