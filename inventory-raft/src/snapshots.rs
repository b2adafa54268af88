//! Snapshot files in an operator's hands: looked into, and made into the data directory of a new cluster.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;

use crate::{
    PeerArg,
    config::members,
    consensus::{LogStore, snapshot_file},
    identity,
};

pub use crate::consensus::snapshot_file::SnapshotError;

/// What a snapshot has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inspected {
    pub log_index: u64,
    pub term: u64,
    pub members: Vec<u64>,
    pub records: u64,
    pub state_hash: String,
    pub bytes: u64,
}

/// A new cluster's node from a snapshot.
#[derive(Clone, Debug)]
pub struct Restore {
    pub file: PathBuf,
    /// Made; it must not exist or be empty.
    pub data_dir: PathBuf,
    pub cluster_id: String,
    pub node_id: u64,
    pub peers: Vec<PeerArg>,
}

/// Why no directory was made. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("{0} is not empty; name a directory that does not exist")]
    NotEmpty(PathBuf),
    #[error("node {0} is not among the --peers")]
    NotAPeer(u64),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("the directory cannot be taken: {0}")]
    Identity(String),
}

/// Reads a whole snapshot, checks every sum and the state hash, and says what is in it.
pub fn inspect(file: &Path) -> Result<Inspected, SnapshotError> {
    snapshot_file::inspect(file)
}

/// Makes the data directory of one node of a new cluster. Every first member is made from the same file and peers.
pub async fn restore(wanted: &Restore) -> Result<Inspected, RestoreError> {
    let members = members(&wanted.peers);
    if !members.contains_key(&wanted.node_id) {
        return Err(RestoreError::NotAPeer(wanted.node_id));
    }
    let io_error = |source| RestoreError::Io { path: wanted.data_dir.clone(), source };
    if wanted.data_dir.exists() && fs::read_dir(&wanted.data_dir).map_err(io_error)?.next().is_some() {
        return Err(RestoreError::NotEmpty(wanted.data_dir.clone()));
    }
    let found = inspect(&wanted.file)?;
    identity::claim(&wanted.data_dir, &wanted.cluster_id, wanted.node_id)
        .map_err(|error| RestoreError::Identity(error.to_string()))?;
    snapshot_file::with_members(&wanted.file, &wanted.data_dir.join("snapshots"), members)?;
    // A node whose log ends in a term must have a vote of that term, or it could vote in it again.
    let last = snapshot_file::last_log_id(&wanted.file)?;
    LogStore::begin_after(&wanted.data_dir.join("log"), last).await.map_err(io_error)?;
    Ok(found)
}
