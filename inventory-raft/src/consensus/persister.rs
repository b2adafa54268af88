//! Writes the ledger behind the log: one thread takes what changed since it last looked, however much was applied in between.

use std::{
    collections::BTreeSet,
    io,
    path::Path,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use super::{
    snapshot::SnapshotDir,
    snapshot_file,
    state_machine::{Applied, SharedState},
    type_config::{LogId, Membership},
};
use crate::{background, stock::Inventory, store::ledger_store::LedgerStore};

/// Between two writes. Nothing acknowledged waits for them, and after a crash they count for nothing, so the pause is long: the
/// changes of a page merge into one write. It bounds what a clean stop has left to write: at 200,000 commands a second about
/// 300 MB.
const WRITE_EVERY: Duration = Duration::from_secs(10);

/// The ledger as the disk has it, and the store to go on with. Trusts sled only after a clean stop; else the newest
/// snapshot, and openraft replays the log from there.
pub(crate) fn recover(directory: &Path, snapshots: &SnapshotDir) -> io::Result<(Applied, LedgerStore)> {
    let (store, stored) = LedgerStore::open(&directory.join("state"))?;
    let newest = snapshots.newest().map_err(io::Error::other)?;
    let snapshot_index = newest.as_ref().and_then(|(_, meta)| meta.last_log_id).map_or(0, |last| last.index);
    if let Some(stored) = stored {
        let (last_applied, membership, ids_ever): (Option<LogId>, Membership, BTreeSet<u64>) =
            postcard::from_bytes(&stored.meta).map_err(io::Error::other)?;
        let inventory = Inventory::from_pages(&stored.pages).map_err(io::Error::other)?;
        let applied = Applied { inventory, last_applied, membership, ids_ever, replaced: false };
        if applied.index() >= snapshot_index {
            tracing::info!(index = applied.index(), "loaded the state of a clean stop");
            return Ok((applied, store));
        }
    }
    Ok((from_snapshot(snapshots)?, store))
}

/// The ledger as the newest snapshot has it; empty without one.
pub(super) fn from_snapshot(snapshots: &SnapshotDir) -> io::Result<Applied> {
    let newest = snapshots.newest().map_err(io::Error::other)?;
    let Some((file, meta)) = newest else { return Ok(Applied { replaced: true, ..Applied::default() }) };
    let (inventory, ids_ever) = snapshot_file::load(&file.path).map_err(io::Error::other)?;
    let (last_applied, membership) = (meta.last_log_id, meta.last_membership);
    let applied = Applied { inventory, last_applied, membership, ids_ever, replaced: true };
    tracing::info!(index = applied.index(), "loaded the newest snapshot");
    Ok(applied)
}

/// The running thread. Stopping it writes the rest and marks the store clean.
pub(crate) struct Persister {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Persister {
    pub(crate) fn start(shared: Arc<SharedState>, store: LedgerStore) -> io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let run = move || {
            loop {
                let done = !matches!(stopped.recv_timeout(WRITE_EVERY), Err(mpsc::RecvTimeoutError::Timeout));
                if let Err(error) = write(&shared, &store) {
                    // The log has everything; the next start rebuilds. Only the clean marker must not be set.
                    tracing::error!(%error, "the state could not be written behind the log");
                    return Err(error);
                }
                if done {
                    return store.close();
                }
            }
        };
        let thread = background::spawn("persister", run)?;
        Ok(Self { stop, thread })
    }

    /// Blocks until all is written. Call it when nothing is applied any more.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.stop);
        self.thread.join().map_err(|_| io::Error::other("the persister panicked"))?
    }
}

fn write(shared: &SharedState, store: &LedgerStore) -> io::Result<()> {
    let (changes, meta, replace) = {
        let mut applied = shared.write();
        let changes = applied.inventory.take_changes();
        let replace = std::mem::take(&mut applied.replaced);
        let meta =
            postcard::to_stdvec(&(&applied.last_applied, &applied.membership, &applied.ids_ever)).map_err(io::Error::other)?;
        (changes, meta, replace)
    };
    if changes.is_empty() && !replace {
        return Ok(());
    }
    store.write(changes.encode(), meta, replace)
}
