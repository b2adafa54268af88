//! A disk with one append-only file. What was not synced is lost in a crash, all of it or the end of it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use inventory_raft::simulation::{Journal, RecordKind, Synced, written};
use tokio::{sync::mpsc, time::sleep};

use crate::{dice::Dice, plan::Bug, world::World};

/// Syncs that wait. Raft has far fewer under way.
const QUEUE: usize = 4_096;

/// How long a sync takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SyncTime {
    pub(crate) max: Duration,
    /// In this many of a hundred cases twenty times as long.
    pub(crate) stalls_percent: u64,
}

struct Platter {
    records: Vec<(RecordKind, Bytes)>,
    /// How many of the records were synced.
    synced: usize,
    dice: Dice,
}

/// Lives through the crashes of its node.
#[derive(Clone)]
pub(crate) struct Disk {
    platter: Arc<Mutex<Platter>>,
    time: SyncTime,
    bug: Option<Bug>,
}

impl Disk {
    pub(crate) fn new(time: SyncTime, bug: Option<Bug>, dice: Dice) -> Self {
        let platter = Platter { records: Vec::new(), synced: 0, dice };
        Self { platter: Arc::new(Mutex::new(platter)), time, bug }
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The power goes: of what was not synced, some may have reached the platter, from the front. Gives how many records are lost.
    pub(crate) fn crash(&self) -> usize {
        let mut platter = self.platter();
        let unsynced = platter.records.len() - platter.synced;
        let reached = platter.dice.below(unsynced as u64 + 1);
        let kept = platter.synced + usize::try_from(reached).unwrap_or_default();
        let before = platter.records.len();
        platter.records.truncate(kept);
        if self.bug == Some(Bug::VoteNotPersisted) {
            platter.records.retain(|(kind, _)| *kind != RecordKind::Vote);
        }
        platter.synced = platter.records.len();
        before - platter.synced
    }

    /// Opens the disk for a process that begins on the current runtime.
    pub(crate) fn open(&self, world: World, node: u64) -> Arc<OpenDisk> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(sync(self.clone(), waiting));
        Arc::new(OpenDisk { disk: self.clone(), queue, world, node })
    }
}

/// A disk in the hands of a running node.
pub(crate) struct OpenDisk {
    disk: Disk,
    queue: mpsc::Sender<(usize, Synced)>,
    world: World,
    node: u64,
}

impl Journal for OpenDisk {
    fn records(&self) -> Vec<Bytes> {
        self.disk.platter().records.iter().map(|(_, record)| record.clone()).collect()
    }

    fn append(&self, kind: RecordKind, record: Bytes, synced: Synced) {
        self.world.written(self.node, &written(&record));
        let up_to = {
            let mut platter = self.disk.platter();
            platter.records.push((kind, record));
            platter.records.len()
        };
        let synced = if self.disk.bug == Some(Bug::AckBeforeSync) {
            synced(Ok(()));
            Box::new(|_| ())
        } else {
            synced
        };
        if let Err(full) = self.queue.try_send((up_to, synced)) {
            full.into_inner().1(Err(io::Error::other("the disk is gone")));
        }
    }
}

/// One sync at a time; what waits shares the next.
async fn sync(disk: Disk, mut waiting: mpsc::Receiver<(usize, Synced)>) {
    let mut batch = Vec::new();
    while waiting.recv_many(&mut batch, QUEUE).await > 0 {
        let takes = {
            let dice = &mut disk.platter().dice;
            let usual = dice.ms(0, u64::try_from(disk.time.max.as_millis()).unwrap_or_default());
            if dice.percent(disk.time.stalls_percent) { usual * 20 } else { usual }
        };
        sleep(takes).await;
        for (up_to, synced) in batch.drain(..) {
            {
                let mut platter = disk.platter();
                platter.synced = platter.synced.max(up_to);
            }
            synced(Ok(()));
        }
    }
}
