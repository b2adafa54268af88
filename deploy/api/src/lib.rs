//! `target/deploy/<name>/topology.json`: what is running where.
//!
//! Owns: the shape that tools outside the launcher read, and how they ask its supervisor. Must not: start or stop anything itself.

mod control;
mod fault;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use control::{Ask, Control, ControlAddress, ControlError, MAX_LINE_BYTES, Question, Reply};
pub use fault::{Hold, HoldView, MAX_LEASE, MIN_VOTERS, ProcessFault};

/// A running topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    pub name: String,
    /// Process id of the supervisor.
    pub supervisor_pid: u32,
    /// When the supervisor started, in clock ticks since the machine did: with the id it names one process.
    #[serde(default)]
    pub supervisor_started: u64,
    pub processes: Vec<Process>,
    pub links: Vec<Link>,
    /// PostgreSQL URLs by database name (`catalog`, `orders`).
    pub databases: std::collections::BTreeMap<String, String>,
    /// What a client of the inventory shows to it; absent where it speaks plaintext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory_tls: Option<TlsFiles>,
}

/// Certificates and a key in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    pub ca: PathBuf,
    pub cert: PathBuf,
    pub key: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessKind {
    Inventory,
    Edge,
    Catalog,
    Orders,
    /// The sandbox payment provider.
    Payments,
    Postgres,
    Redis,
    /// Where a PostgreSQL with standbys agrees on its primary.
    Etcd,
    /// The way to the primary.
    Haproxy,
    /// What the connections between the others are led through.
    Links,
    /// The drill controller.
    Drills,
}

impl ProcessKind {
    /// What faults are made with, and so not whom they are at.
    pub fn is_apparatus(self) -> bool {
        matches!(self, Self::Links | Self::Drills)
    }
}

/// One process. Addresses are `host:port`; servers that speak no HTTP have their own port in `http`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub name: String,
    pub kind: ProcessKind,
    pub region: String,
    /// `null` while it is not running.
    pub pid: Option<u32>,
    pub http: String,
    pub admin: Option<String>,
    pub data_dir: Option<PathBuf>,
}

/// A link of the fault proxy: the connections that one process opens to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// What the proxy calls it.
    pub name: String,
    /// Names of processes.
    pub from: String,
    pub to: String,
    pub from_region: String,
    pub to_region: String,
    /// Where `from` connects.
    pub address: String,
    /// Where `to` listens.
    pub target: String,
    /// `host:port` of the proxy's control.
    pub control: String,
    /// How far the regions are from each other, there and back.
    #[serde(default)]
    pub round_trip_ms: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    #[error("no topology file at {path}: start one with `cargo deploy up`")]
    Missing { path: PathBuf },
    #[error("{path} is not a topology file: {source}")]
    Malformed { path: PathBuf, source: serde_json::Error },
}

impl Topology {
    pub fn read(path: &Path) -> Result<Self, TopologyError> {
        let text = std::fs::read_to_string(path).map_err(|_| TopologyError::Missing { path: path.to_owned() })?;
        let read: Self =
            serde_json::from_str(&text).map_err(|source| TopologyError::Malformed { path: path.to_owned(), source })?;
        Ok(read.without_the_dead(started))
    }

    /// Without the ids of processes that are gone: a supervisor that was killed could not write so, and the system may have given its numbers
    /// to others. As long as the supervisor lives, a child that ended keeps its number. `started` tells when a live process started.
    fn without_the_dead(mut self, started: impl Fn(u32) -> Option<u64>) -> Self {
        let is_kept = started(self.supervisor_pid) == Some(self.supervisor_started);
        for process in &mut self.processes {
            process.pid = process.pid.filter(|pid| is_kept && started(*pid).is_some());
        }
        self
    }

    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// `host:port` of every process of a kind, in order.
    pub fn http_of(&self, kind: ProcessKind) -> Vec<String> {
        self.processes.iter().filter(|p| p.kind == kind).map(|p| p.http.clone()).collect()
    }
}

/// When a process started, in clock ticks since the machine did; `None`: there is none, or it ended and waits to be buried.
pub fn started(pid: u32) -> Option<u64> {
    // `pid (name) state ppid ...`, the 22nd is the time of the start (proc_pid_stat(5)); the name may have blanks and brackets.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut after_name = stat.rsplit(") ").next()?.split_whitespace();
    let state = after_name.next()?;
    after_name.nth(18)?.parse().ok().filter(|_| state != "Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topology() -> Topology {
        let process = |name: &str, pid| Process {
            name: name.to_owned(),
            kind: ProcessKind::Redis,
            region: "eu".to_owned(),
            pid,
            http: "127.0.0.1:1".to_owned(),
            admin: None,
            data_dir: None,
        };
        Topology {
            name: "test".to_owned(),
            supervisor_pid: 10,
            supervisor_started: 500,
            processes: vec![process("a", Some(11)), process("b", Some(12)), process("c", None)],
            links: Vec::new(),
            databases: std::collections::BTreeMap::new(),
            inventory_tls: None,
        }
    }

    #[test]
    fn ids_of_the_dead_are_not_told() {
        let pids = |started: fn(u32) -> Option<u64>| {
            topology().without_the_dead(started).processes.iter().map(|process| process.pid).collect::<Vec<_>>()
        };
        assert_eq!(pids(|pid| Some(if pid == 10 { 500 } else { 600 })), [Some(11), Some(12), None]);
        assert_eq!(pids(|pid| (pid != 12).then_some(500)), [Some(11), None, None], "one ended by itself");
        assert_eq!(pids(|pid| (pid != 10).then_some(500)), [None, None, None], "the supervisor was killed");
        assert_eq!(pids(|_| Some(900)), [None, None, None], "another process has its number");
    }

    #[test]
    fn this_process_started_once() {
        let own = std::process::id();
        assert!(started(own).is_some() && started(own) == started(own));
        assert_eq!(started(u32::MAX), None);
    }
}
