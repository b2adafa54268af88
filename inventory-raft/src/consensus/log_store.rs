//! The Raft log and vote on an append-only log with one writer.
//!
//! Nothing is reported as stored before the file was synced (`fdatasync`): the callback of an append runs after the sync that covers it,
//! and concurrent appends share one. A failed sync is passed on; openraft stops, and the process with it.

use std::{
    fmt::Debug,
    io,
    ops::{Bound, RangeBounds},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use raft_log::{Callback, Config, RaftLog, Types, api::raft_log_writer::RaftLogWriter};
use tokio::sync::oneshot;

use super::{
    log_codec::Coded,
    type_config::{LogEntry, LogId, Payload, TypeConfig, Vote},
};

/// Size at which a log file is closed and the next begun; purging drops whole files.
const CHUNK_BYTES: usize = 64 * 1024 * 1024;

/// Entries kept in memory for followers that lag a little: a hundred full ones; older ones are read from the file.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Entries that a reader gets at once, at most: 64 x 128 KiB is 8 MiB.
const MAX_READ_ENTRIES: u64 = 64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogTypes;

impl Types for LogTypes {
    type LogId = Coded<LogId>;
    type LogPayload = Coded<Payload>;
    type Vote = Coded<Vote>;
    type Callback = Flushed;
    type UserData = String;

    fn log_index(log_id: &Self::LogId) -> u64 {
        log_id.0.index
    }

    fn payload_size(payload: &Self::LogPayload) -> u64 {
        match &payload.0 {
            Payload::Normal(entry) => 128 + entry.len() as u64,
            _ => 256,
        }
    }
}

/// Whom to tell that a write was synced, and since when it waits.
pub(crate) enum Flushed {
    Append(IOFlushed<TypeConfig>, Instant),
    Wait(oneshot::Sender<io::Result<()>>, Instant),
}

impl Callback for Flushed {
    fn send(self, result: Result<(), io::Error>) {
        let began = match &self {
            Self::Append(_, began) | Self::Wait(_, began) => *began,
        };
        metrics::histogram!("inventory_log_sync_duration_seconds").record(began.elapsed());
        if let Err(error) = &result {
            tracing::error!(%error, "the log could not be synced; this node stops");
        }
        match self {
            Self::Append(flushed, _) => flushed.io_completed(result),
            // The waiter is gone only when the process stops.
            Self::Wait(waiter, _) => drop(waiter.send(result)),
        }
    }
}

/// Shared by openraft's core, which writes, and its replication tasks, which read.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Arc<Mutex<RaftLog<LogTypes>>>,
}

impl LogStore {
    /// Opens the log in a directory. A torn record at the end was never acknowledged and is cut off.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut config = Config::new(directory.display());
        config.wal.chunk_max_size = Some(CHUNK_BYTES);
        config.wal.truncate_incomplete_record = Some(true);
        // Entries are batched before they get here; to wait for more to share a sync would only make them late.
        config.wal.flush_batch_wait = Some(Duration::ZERO);
        config.log_cache_capacity = Some(CACHE_BYTES);
        let log = RaftLog::open(Arc::new(config))?;
        Ok(Self { log: Arc::new(Mutex::new(log)) })
    }

    /// Makes the log of a node that begins with a snapshot: empty, with a vote in the snapshot's term.
    pub(crate) async fn begin_after(directory: &Path, last: Option<LogId>) -> io::Result<()> {
        let mut log = Self::open(directory)?;
        match last {
            Some(last) => log.save_vote(&Vote { leader_id: last.leader_id, committed: false }).await,
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, RaftLog<LogTypes>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a write and waits until it is synced.
    async fn synced(&self, write: impl FnOnce(&mut RaftLog<LogTypes>) -> io::Result<()> + Send) -> io::Result<()> {
        let (sender, synced) = oneshot::channel();
        {
            let mut log = self.lock();
            write(&mut log)?;
            log.flush(true, Some(Flushed::Wait(sender, Instant::now())))?;
        }
        synced.await.map_err(|_| io::Error::other("the log's writer is gone"))?
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<LogEntry>, io::Error> {
        let from = match range.start_bound() {
            Bound::Included(from) => *from,
            Bound::Excluded(before) => before + 1,
            Bound::Unbounded => 0,
        };
        let to = match range.end_bound() {
            Bound::Included(last) => last + 1,
            Bound::Excluded(to) => *to,
            Bound::Unbounded => u64::MAX,
        };
        let log = self.lock();
        let entry = |read: Result<(Coded<LogId>, Coded<Payload>), io::Error>| {
            read.map(|(log_id, payload)| LogEntry { log_id: log_id.0, payload: payload.0 })
        };
        log.read(from, to).map(entry).collect()
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.lock().log_state().vote().map(|vote| vote.0))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<LogEntry>, io::Error> {
        self.try_get_log_entries(start..end.min(start + MAX_READ_ENTRIES)).await
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let log = self.lock();
        let state = log.log_state();
        let purged = state.purged().map(|id| id.0);
        Ok(LogState { last_purged_log_id: purged, last_log_id: state.last().map(|id| id.0).or(purged) })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let vote = Coded(*vote);
        self.synced(|log| log.save_vote(vote).map(drop)).await
    }

    /// Not synced: what is lost of it is heard from the leader again. It follows its entries in the file, so none is there without them.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let Some(committed) = committed.map(Coded) else { return Ok(()) };
        let mut log = self.lock();
        let is_news = log.log_state().committed() < Some(&committed);
        if is_news && log.log_state().last() >= Some(&committed) {
            log.commit(committed)?;
            log.flush(false, None)?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.lock().log_state().committed().map(|id| id.0))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().map(|entry| (Coded(entry.log_id), Coded(entry.payload))).collect();
        let mut log = self.lock();
        log.append(entries)?;
        log.flush(true, Some(Flushed::Append(callback, Instant::now())))
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        let from = last_log_id.map_or(0, |last| last.index + 1);
        self.synced(|log| log.truncate(from).map(drop)).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.synced(|log| log.purge(Coded(log_id)).map(drop)).await
    }
}
