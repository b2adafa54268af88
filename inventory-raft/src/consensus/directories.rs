//! Which data directory each node speaks from. A node's promises lie in its directory, so an id belongs to one directory for ever:
//! a second node under the id, or one that lost its directory and begins anew, would vote twice and forget what it acknowledged.
//!
//! Nodes tell each other the ids of their directories; who is met first under an id is it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use uuid::Uuid;

/// Beside the identity of a data directory.
const FILE: &str = "peers.json";

/// Ids that are written down at most; a cluster gives out far fewer in its life.
const MAX_MET: usize = 1_024;

/// Two directories say that they are the same node's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "node {id} is known from data directory {known}, not from {given}: two nodes run under one id, or one lost its directory. Stop \
     the one that is not meant; a node that lost its directory must be removed and join under a new id"
)]
pub(super) struct OtherDirectory {
    pub(super) id: u64,
    pub(super) known: Uuid,
    pub(super) given: Uuid,
}

/// Why a node is not let in.
#[derive(Debug, thiserror::Error)]
pub(super) enum MeetError {
    #[error(transparent)]
    Other(#[from] OtherDirectory),
    #[error("who was met cannot be written down: {0}")]
    Io(#[from] io::Error),
    #[error("more than {MAX_MET} nodes were met already")]
    TooMany,
}

/// What this node knows of everybody's directories, its own included.
#[derive(Debug)]
pub(crate) struct Directories {
    pub(super) ours: (u64, Uuid),
    path: PathBuf,
    known: Mutex<BTreeMap<u64, Uuid>>,
    /// One writes at a time.
    writing: Mutex<()>,
    /// Why the others do not take this node for what it says it is.
    denied: watch::Sender<Option<String>>,
}

impl Directories {
    /// Reads who was met before.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn open(data_dir: &Path, node_id: u64, directory: Uuid) -> io::Result<Self> {
        let path = data_dir.join(FILE);
        let known = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            ours: (node_id, directory),
            path,
            known: Mutex::new(known),
            writing: Mutex::new(()),
            denied: watch::Sender::default(),
        })
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<u64, Uuid>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The directory that a node was first met with.
    pub(super) fn of(&self, id: u64) -> Option<Uuid> {
        self.known().get(&id).copied()
    }

    /// Whether a node is known from this directory; `None`: it was never met.
    fn knows(&self, id: u64, given: Uuid) -> Option<Result<(), OtherDirectory>> {
        let known = self.of(id)?;
        Some(if known == given { Ok(()) } else { Err(OtherDirectory { id, known, given }) })
    }

    /// A node says which directory it has. The first time, that is written down and synced.
    pub(super) async fn meet(self: &Arc<Self>, id: u64, given: Uuid) -> Result<(), MeetError> {
        if let Some(known) = self.knows(id, given) {
            return Ok(known?);
        }
        let directories = self.clone();
        let written = tokio::task::spawn_blocking(move || directories.write_down(id, given));
        written.await.map_err(io::Error::other)?
    }

    fn write_down(&self, id: u64, given: Uuid) -> Result<(), MeetError> {
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = self.knows(id, given) {
            return Ok(known?);
        }
        let mut met = self.known().clone();
        if met.len() >= MAX_MET {
            return Err(MeetError::TooMany);
        }
        met.insert(id, given);
        self.write(&met)?;
        *self.known() = met;
        Ok(())
    }

    fn write(&self, known: &BTreeMap<u64, Uuid>) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec_pretty(known)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()
    }

    /// Another node does not take this one for what it says it is.
    pub(super) fn deny(&self, reason: String) {
        self.denied.send_if_modified(|denied| {
            let first = denied.is_none();
            denied.get_or_insert(reason);
            first
        });
    }

    pub(super) fn is_denied(&self) -> bool {
        self.denied.borrow().is_some()
    }

    /// Returns with the reason when this node was not let in. It must stop: what it answers is worth nothing.
    pub(crate) async fn denied(&self) -> String {
        let mut denied = self.denied.subscribe();
        // The sender lives as long as `self`.
        let reason = denied.wait_for(Option::is_some).await.map(|reason| reason.clone());
        reason.ok().flatten().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_id_belongs_to_the_directory_it_was_first_met_with_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, first, second) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let open = || Arc::new(Directories::open(folder.path(), 1, ours).unwrap());
        assert_eq!(open().of(2), None);
        open().meet(2, first).await.unwrap();
        open().meet(2, first).await.unwrap();
        let refused = open().meet(2, second).await.unwrap_err();
        assert!(matches!(refused, MeetError::Other(OtherDirectory { id: 2, known, given }) if (known, given) == (first, second)));
        assert_eq!(open().of(2), Some(first));
    }
}
