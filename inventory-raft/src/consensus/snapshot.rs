//! A node's directory of snapshots: the newest is kept, whatever has a final name is whole.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use super::{
    snapshot_file::{self, SnapshotError},
    type_config::{LogId, SnapshotMeta},
};
use crate::stock::Frozen;

/// A snapshot file that openraft hands around. A received one lies under a temporary name until it is installed.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
}

/// Directory of a node's snapshots.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotDir {
    directory: PathBuf,
}

impl SnapshotDir {
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        for file in fs::read_dir(directory)?.flatten() {
            // Half-written by a process that was killed; nobody has been told of it.
            if file.path().extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(file.path())?;
            }
        }
        Ok(Self { directory: directory.to_owned() })
    }

    /// A fresh temporary path for a snapshot that is being written or received.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.directory.join(format!("{}.tmp", uuid::Uuid::new_v4()))
    }

    /// Writes the ledger down as the newest snapshot.
    pub(crate) fn write(&self, frozen: &Frozen, ids_ever: &BTreeSet<u64>, meta: &SnapshotMeta) -> io::Result<SnapshotFile> {
        let temporary = self.temporary();
        snapshot_file::write(&temporary, frozen, ids_ever, meta)?;
        self.keep(&temporary, meta.last_log_id)
    }

    /// Gives a complete file its final name and drops older snapshots.
    pub(crate) fn keep(&self, temporary: &Path, last: Option<LogId>) -> io::Result<SnapshotFile> {
        let path = self.directory.join(format!("{:020}.snapshot", last.map_or(0, |last| last.index)));
        fs::rename(temporary, &path)?;
        File::open(&self.directory)?.sync_all()?;
        for older in self.files()?.into_iter().filter(|file| *file < path) {
            fs::remove_file(older)?;
        }
        Ok(SnapshotFile { path })
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files: Vec<PathBuf> = fs::read_dir(&self.directory)?.flatten().map(|file| file.path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "snapshot"));
        files.sort_unstable();
        Ok(files)
    }

    /// The newest snapshot with what its header says, without reading its records.
    pub(crate) fn newest(&self) -> Result<Option<(SnapshotFile, SnapshotMeta)>, SnapshotError> {
        let here = |source| SnapshotError::Io { path: self.directory.clone(), source };
        let Some(path) = self.files().map_err(here)?.pop() else { return Ok(None) };
        let meta = snapshot_file::meta(&path)?;
        Ok(Some((SnapshotFile { path }, meta)))
    }
}

#[cfg(test)]
mod tests {
    use storefront_types::{CommandId, Quantity, Sku};
    use uuid::Uuid;

    use super::{
        super::snapshot_file::{SnapshotError, load},
        *,
    };
    use crate::stock::{Command, Inventory, LogTime};

    fn filled() -> Inventory {
        let mut inventory = Inventory::default();
        for n in 0..2_000_u32 {
            let command = Command::Receive {
                id: CommandId::new(Uuid::new_v8([0; 16]).max(Uuid::from_u128(u128::from(n)))),
                sku: Sku::parse(&format!("sku-{n}")).unwrap(),
                location: "eu-1".parse().unwrap(),
                quantity: Quantity::new(n + 1).unwrap(),
            };
            inventory.apply(LogTime(1), &command);
        }
        inventory
    }

    fn written() -> (tempfile::TempDir, SnapshotDir, SnapshotFile, Inventory) {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = SnapshotDir::open(folder.path()).unwrap();
        let inventory = filled();
        let file = snapshots.write(&inventory.freeze(), &BTreeSet::from([7]), &SnapshotMeta::default()).unwrap();
        (folder, snapshots, file, inventory)
    }

    #[test]
    fn what_was_written_is_read_back() {
        let (_folder, snapshots, file, inventory) = written();
        let (loaded, ids_ever) = load(&file.path).unwrap();
        assert_eq!((loaded.state_hash(), ids_ever), (inventory.state_hash(), BTreeSet::from([7])));
        assert_eq!(snapshots.newest().unwrap().unwrap().0.path, file.path);
    }

    #[test]
    fn damage_anywhere_is_found_and_named() {
        let (_folder, _, file, _) = written();
        let whole = fs::read(&file.path).unwrap();
        for at in (0..whole.len()).step_by(97) {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x20;
            fs::write(&file.path, &damaged).unwrap();
            assert!(load(&file.path).is_err(), "a flipped bit at {at} went unnoticed");
        }
        fs::write(&file.path, &whole[..whole.len() - 9]).unwrap();
        assert!(matches!(load(&file.path), Err(SnapshotError::Truncated { .. })));
        fs::write(&file.path, b"SFSNAP99 and more").unwrap();
        assert!(matches!(load(&file.path), Err(SnapshotError::UnknownFormat { .. })));
    }
}
