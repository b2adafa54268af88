//! Whose data directory this is.
//!
//! A directory belongs to one node of one cluster for ever, and to one process at a time.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::store::format_version::FORMAT_VERSION;

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    cluster_id: String,
    node_id: u64,
    format_version: u32,
    /// Drawn when the directory was made: no other directory has it.
    directory: Uuid,
}

/// What every format has.
#[derive(Deserialize)]
struct Format {
    format_version: u32,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("{path} belongs to node {node_id} of cluster {cluster_id:?}; give this node a directory of its own")]
    OtherNode { path: PathBuf, cluster_id: String, node_id: u64 },
    #[error("{path} has format {found}, this release knows up to {FORMAT_VERSION}; run a newer release")]
    NewerFormat { path: PathBuf, found: u32 },
    #[error(
        "{path} has the older format {found}, this release reads {FORMAT_VERSION}; let the node join again under a new id and with an empty directory"
    )]
    OlderFormat { path: PathBuf, found: u32 },
    #[error("{path} is used by another process; stop it first")]
    InUse { path: PathBuf },
    #[error("{path} cannot be read as an identity file")]
    Malformed { path: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Holds the directory's lock until dropped.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    pub(crate) directory: Uuid,
    _file: File,
}

/// Takes the directory for this node, or says whose it is.
pub(crate) fn claim(directory: &Path, cluster_id: &str, node_id: u64) -> Result<DirectoryLock, IdentityError> {
    let path = directory.join("identity.json");
    let io_error = |source| IdentityError::Io { path: path.clone(), source };
    fs::create_dir_all(directory).map_err(io_error)?;
    let lock = File::create(directory.join("lock")).map_err(io_error)?;
    lock.try_lock().map_err(|_| IdentityError::InUse { path: directory.to_owned() })?;
    let directory_id = match fs::read(&path) {
        Ok(bytes) => {
            let malformed = |_| IdentityError::Malformed { path: path.clone() };
            let Format { format_version: found } = serde_json::from_slice(&bytes).map_err(malformed)?;
            if found > FORMAT_VERSION {
                return Err(IdentityError::NewerFormat { path, found });
            }
            if found < FORMAT_VERSION {
                return Err(IdentityError::OlderFormat { path, found });
            }
            let found: Identity = serde_json::from_slice(&bytes).map_err(malformed)?;
            if (found.cluster_id.as_str(), found.node_id) != (cluster_id, node_id) {
                return Err(IdentityError::OtherNode { path, cluster_id: found.cluster_id, node_id: found.node_id });
            }
            found.directory
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let (cluster_id, drawn) = (cluster_id.to_owned(), Uuid::new_v4());
            let ours = Identity { cluster_id, node_id, format_version: FORMAT_VERSION, directory: drawn };
            let text = serde_json::to_vec_pretty(&ours).map_err(io::Error::from).map_err(io_error)?;
            fs::write(&path, text).map_err(io_error)?;
            File::open(&path).and_then(|file| file.sync_all()).map_err(io_error)?;
            File::open(directory).and_then(|file| file.sync_all()).map_err(io_error)?;
            drawn
        }
        Err(source) => return Err(io_error(source)),
    };
    Ok(DirectoryLock { directory: directory_id, _file: lock })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_has_one_owner_one_user_and_a_known_format() {
        let folder = tempfile::tempdir().unwrap();
        let lock = claim(folder.path(), "c", 1).unwrap();
        assert!(matches!(claim(folder.path(), "c", 1), Err(IdentityError::InUse { .. })));
        drop(lock);
        assert!(claim(folder.path(), "c", 1).is_ok());
        assert!(matches!(claim(folder.path(), "c", 2), Err(IdentityError::OtherNode { .. })));
        assert!(matches!(claim(folder.path(), "d", 1), Err(IdentityError::OtherNode { .. })));
        let of_format = |version: u32| {
            let identity = format!(r#"{{"cluster_id": "c", "node_id": 1, "format_version": {version}}}"#);
            fs::write(folder.path().join("identity.json"), identity).unwrap();
            claim(folder.path(), "c", 1)
        };
        assert!(matches!(of_format(99), Err(IdentityError::NewerFormat { found: 99, .. })));
        assert!(matches!(of_format(2), Err(IdentityError::OlderFormat { found: 2, .. })));
    }
}
