//! The ledger as openraft's state machine. Hot state is in memory, so that `apply` never waits for a disk.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures_util::{Stream, StreamExt};
use openraft::{
    EntryPayload, OptionalSend, RaftSnapshotBuilder,
    storage::{EntryResponder, RaftStateMachine, Snapshot},
};

use super::{
    marks::Marks,
    snapshot::{SnapshotDir, SnapshotFile},
    snapshot_file,
    type_config::{LogEntry, LogId, Membership, SnapshotMeta, TypeConfig},
};
use crate::{
    background,
    stock::{Command, Inventory, LogTime, Outcome},
    watch::ChangeFeed,
};

/// The ledger and the place in the log it stands for.
#[derive(Default)]
pub(crate) struct Applied {
    pub(crate) inventory: Inventory,
    pub(crate) last_applied: Option<LogId>,
    pub(crate) membership: Membership,
    /// Every id that was ever a member's: none is given out again.
    pub(crate) ids_ever: BTreeSet<u64>,
    /// The state was replaced as a whole since it was last written down.
    pub(crate) replaced: bool,
}

impl Applied {
    /// Index of the last applied log entry; 0 before the first.
    pub(crate) fn index(&self) -> u64 {
        self.last_applied.map_or(0, |last| last.index)
    }
}

/// Sees each entry that is applied, with the state after it. Simulations look here; production has none.
pub(super) type Witness = Box<dyn Fn(&LogEntry, &[Command], &Applied, &[Outcome]) + Send + Sync>;

/// Read by requests, written by `apply` alone.
pub(crate) struct SharedState {
    applied: RwLock<Applied>,
    /// What the leader last said: its committed index, and when.
    heard: Mutex<(u64, LogTime)>,
    pub(crate) feed: ChangeFeed,
    /// Bytes of commands applied since the newest snapshot was begun, and what that snapshot weighs.
    pub(super) unsnapshotted: AtomicU64,
    pub(super) snapshot_bytes: AtomicU64,
    pub(crate) marks: Arc<Marks>,
    pub(super) witness: OnceLock<Witness>,
}

impl SharedState {
    pub(crate) fn new(applied: Applied) -> Self {
        let feed = ChangeFeed::new(applied.index());
        let (applied, heard) = (RwLock::new(applied), Mutex::default());
        let (unsnapshotted, snapshot_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { applied, heard, feed, unsnapshotted, snapshot_bytes, marks: Arc::default(), witness: OnceLock::new() }
    }

    /// The leader said at `at` that everything up to `commit` is committed.
    pub(crate) fn heard(&self, commit: u64, at: LogTime) {
        let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        *heard = (*heard).max((commit, at));
    }

    /// The committed index that the leader last told; 0 before it told any.
    pub(crate) fn heard_commit(&self) -> u64 {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).0
    }

    /// The time for which the applied state is known to be the newest: when the leader last spoke, if all it had committed
    /// then is applied, else the log's own clock.
    pub(crate) fn as_of(&self, applied: &Applied) -> LogTime {
        let (commit, at) = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if applied.index() >= commit { at.max(applied.inventory.clock()) } else { applied.inventory.clock() }
    }

    /// Applies one log entry: one outcome for each of its commands.
    ///
    /// # Errors
    /// The entry cannot be decoded. Nothing was applied, and the node must not go on.
    fn apply(&self, entry: &LogEntry) -> io::Result<Vec<Outcome>> {
        // Decoding needs no lock, so readers do not wait for it.
        let commands = match &entry.payload {
            EntryPayload::Normal(batch) => batch.decode().map_err(|error| {
                io::Error::new(io::ErrorKind::InvalidData, format!("entry {} cannot be applied: {error}", entry.log_id))
            })?,
            EntryPayload::Blank | EntryPayload::Membership(_) => Vec::new(),
        };
        let outcomes = {
            let mut applied = self.write();
            applied.last_applied = Some(entry.log_id);
            let outcomes = match &entry.payload {
                EntryPayload::Blank => Vec::new(),
                EntryPayload::Normal(batch) => {
                    self.unsnapshotted.fetch_add(batch.len() as u64, Ordering::Relaxed);
                    applied.inventory.apply_entry(batch.time, &commands)
                }
                EntryPayload::Membership(membership) => {
                    applied.ids_ever.extend(membership.nodes().map(|(id, _)| *id));
                    applied.membership = Membership::new(Some(entry.log_id), membership.clone());
                    Vec::new()
                }
            };
            if commands.contains(&Command::Mark) {
                self.marks.hash(entry.log_id.index, applied.inventory.freeze());
            }
            if let Some(witness) = self.witness.get() {
                witness(entry, &commands, &applied, &outcomes);
            }
            // Under the lock, so that a reader never sees a state that is ahead of the feed: it would be told of it twice.
            self.feed.publish(entry.log_id.index, applied.inventory.take_touched());
            outcomes
        };
        Ok(outcomes)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Applied> {
        self.applied.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Applied> {
        self.applied.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Clone)]
pub(crate) struct StateMachine {
    pub(crate) shared: Arc<SharedState>,
    pub(crate) snapshots: SnapshotDir,
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), io::Error> {
        let applied = self.shared.read();
        Ok((applied.last_applied, applied.membership.clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> Result<(), io::Error>
    where
        Strm: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            let began = Instant::now();
            let outcomes = self.shared.apply(&entry)?;
            metrics::histogram!("inventory_apply_duration_seconds").record(began.elapsed());
            if let Some(responder) = responder {
                responder.send(outcomes);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotFile) -> Result<(), io::Error> {
        let path = snapshot.path.clone();
        // The leader waits for it, so it does not give way to others.
        let load = move || snapshot_file::load(&path).map_err(io::Error::other);
        let (inventory, ids_ever) = background::wanted(load).await?;
        self.snapshots.keep(&snapshot.path, meta.last_log_id)?;
        let before = {
            let mut applied = self.shared.write();
            applied.ids_ever = ids_ever;
            applied.replaced = true;
            applied.last_applied = meta.last_log_id;
            applied.membership = meta.last_membership.clone();
            self.shared.feed.restart(applied.index());
            tracing::info!(index = applied.index(), "installed a snapshot");
            std::mem::replace(&mut applied.inventory, inventory)
        };
        background::forget(before);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf>, io::Error> {
        let newest = self.snapshots.newest().map_err(io::Error::other)?;
        Ok(newest.map(|(snapshot, meta)| Snapshot { meta, snapshot }))
    }
}

type SnapshotOf = openraft::alias::SnapshotOf<TypeConfig, SnapshotFile>;

impl RaftSnapshotBuilder<TypeConfig> for StateMachine {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf, io::Error> {
        let (shared, snapshots) = (self.shared.clone(), self.snapshots.clone());
        let build = move || {
            let began = Instant::now();
            shared.unsnapshotted.store(0, Ordering::Relaxed);
            let (frozen, ids_ever, meta) = {
                let applied = shared.read();
                let meta = SnapshotMeta { last_log_id: applied.last_applied, last_membership: applied.membership.clone() };
                (applied.inventory.freeze(), applied.ids_ever.clone(), meta)
            };
            let snapshot = snapshots.write(&frozen, &ids_ever, &meta)?;
            shared.snapshot_bytes.store(std::fs::metadata(&snapshot.path)?.len(), Ordering::Relaxed);
            metrics::histogram!("inventory_snapshot_duration_seconds").record(began.elapsed());
            Ok(Snapshot { meta, snapshot })
        };
        background::run("snapshot", build).await
    }
}
