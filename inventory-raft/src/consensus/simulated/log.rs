//! The Raft log and vote as records in a simulated journal.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    io,
    ops::RangeBounds,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use openraft::{
    OptionalSend, RaftLogReader,
    storage::{IOFlushed, LogState, RaftLogStorage},
};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::super::type_config::{LogEntry, LogId, TypeConfig, Vote};
use crate::simulation::{Journal, Place, RecordKind, StoredVote, Synced};

#[derive(Serialize, Deserialize)]
enum Record {
    Vote(Vote),
    Append(Vec<LogEntry>),
    /// Drops entries from this index on.
    Truncate(u64),
    /// Drops entries up to and with this one.
    Purge(LogId),
    /// Entries up to and with this one are committed.
    Committed(LogId),
}

/// What the records say together.
#[derive(Default)]
struct Image {
    vote: Option<Vote>,
    purged: Option<LogId>,
    committed: Option<LogId>,
    entries: BTreeMap<u64, LogEntry>,
}

impl Image {
    fn of(records: &[Bytes]) -> io::Result<Self> {
        let mut image = Self::default();
        for record in records {
            image.add(postcard::from_bytes(record).map_err(io::Error::other)?);
        }
        Ok(image)
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Vote(vote) => self.vote = Some(vote),
            Record::Append(entries) => self.entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry))),
            Record::Truncate(from) => drop(self.entries.split_off(&from)),
            Record::Purge(up_to) => {
                self.entries = self.entries.split_off(&(up_to.index + 1));
                self.purged = self.purged.max(Some(up_to));
            }
            Record::Committed(up_to) => self.committed = self.committed.max(Some(up_to)),
        }
    }
}

pub(crate) fn last_vote(records: &[Bytes]) -> Option<StoredVote> {
    Image::of(records).ok()?.vote.as_ref().map(stored)
}

pub(super) fn stored(vote: &Vote) -> StoredVote {
    (vote.leader_id.term, vote.leader_id.node_id, vote.committed)
}

/// The entries that a record adds to the log.
pub(crate) fn written(record: &[u8]) -> Vec<(Place, [u8; 32])> {
    match postcard::from_bytes(record) {
        Ok(Record::Append(entries)) => entries.iter().map(super::identity).collect(),
        _ => Vec::new(),
    }
}

#[derive(Clone)]
pub(super) struct JournalLog {
    image: Arc<Mutex<Image>>,
    journal: Arc<dyn Journal>,
}

impl JournalLog {
    pub(super) fn open(journal: Arc<dyn Journal>) -> io::Result<Self> {
        Ok(Self { image: Arc::new(Mutex::new(Image::of(&journal.records())?)), journal })
    }

    fn image(&self) -> MutexGuard<'_, Image> {
        self.image.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Readers see a record at once; `synced` runs when the disk has it.
    fn write(&self, record: Record, synced: Synced) -> io::Result<()> {
        let bytes = postcard::to_stdvec(&record).map_err(io::Error::other)?;
        let kind = if matches!(record, Record::Vote(_)) { RecordKind::Vote } else { RecordKind::Log };
        self.image().add(record);
        self.journal.append(kind, bytes.into(), synced);
        Ok(())
    }

    async fn write_synced(&self, record: Record) -> io::Result<()> {
        let (sender, synced) = oneshot::channel();
        // The waiter is gone only when the node is.
        self.write(record, Box::new(|result| drop(sender.send(result))))?;
        synced.await.map_err(io::Error::other)?
    }
}

impl RaftLogReader<TypeConfig> for JournalLog {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<LogEntry>, io::Error> {
        Ok(self.image().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.image().vote)
    }
}

impl RaftLogStorage<TypeConfig> for JournalLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let image = self.image();
        let last = image.entries.last_key_value().map(|(_, entry)| entry.log_id).or(image.purged);
        Ok(LogState { last_purged_log_id: image.purged, last_log_id: last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        self.write_synced(Record::Vote(*vote)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        // Nobody waits for it.
        committed.map_or(Ok(()), |committed| self.write(Record::Committed(committed), Box::new(drop)))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.image().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().collect();
        self.write(Record::Append(entries), Box::new(|result| callback.io_completed(result)))
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> Result<(), io::Error> {
        self.write_synced(Record::Truncate(last_log_id.map_or(0, |last| last.index + 1))).await
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), io::Error> {
        self.write_synced(Record::Purge(log_id)).await
    }
}
