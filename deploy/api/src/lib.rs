//! `target/deploy/<name>/topology.json`: what is running where.
//!
//! Owns: the shape that tools outside the launcher read. Must not: start or stop anything.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A running topology.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    pub name: String,
    /// Process id of the supervisor.
    pub supervisor_pid: u32,
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

/// A link of the fault proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub from: String,
    pub to: String,
    pub control: String,
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
        serde_json::from_str(&text).map_err(|source| TopologyError::Malformed { path: path.to_owned(), source })
    }

    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// `host:port` of every process of a kind, in order.
    pub fn http_of(&self, kind: ProcessKind) -> Vec<String> {
        self.processes.iter().filter(|p| p.kind == kind).map(|p| p.http.clone()).collect()
    }
}
