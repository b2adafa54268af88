//! A node whose journal and network come from a simulation.

mod link;
mod log;

use std::sync::Arc;

use openraft::EntryPayload;

pub(crate) use log::{last_vote, written};

use super::{
    node::{Consensus, ConsensusConfig, ConsensusError},
    persister,
    snapshot::SnapshotDir,
    state_machine::{Applied, SharedState},
    type_config::LogEntry,
};
use crate::simulation::{Journal, Place, Seen, Sight, Wire};

/// Where an entry stands, and what it says: the same place has the same content in every log.
fn identity(entry: &LogEntry) -> (Place, [u8; 32]) {
    let place = Place { index: entry.log_id.index, term: entry.log_id.leader_id.term, leader: entry.log_id.leader_id.node_id };
    // An entry that was read from a log can be written again.
    let content = postcard::to_stdvec(entry).unwrap_or_default();
    (place, *blake3::hash(&content).as_bytes())
}

impl Consensus {
    pub(crate) async fn start_simulated(
        config: ConsensusConfig,
        journal: Arc<dyn Journal>,
        wire: Arc<dyn Wire>,
        sight: Sight,
    ) -> Result<Self, ConsensusError> {
        let snapshots = SnapshotDir::open(&config.data_dir.join("snapshots"))?;
        let shared = Arc::new(SharedState::new(persister::from_snapshot(&snapshots)?));
        let witness = move |entry: &LogEntry, commands: &[_], applied: &Applied, outcomes: &[_]| {
            let (place, content) = identity(entry);
            let time = if let EntryPayload::Normal(batch) = &entry.payload { batch.time } else { applied.inventory.clock() };
            sight(&Seen { place, content, time, commands, outcomes, inventory: &applied.inventory });
        };
        let _ = shared.witness.set(Box::new(witness));
        let log = log::JournalLog::open(journal)?;
        Self::begin(config, shared, snapshots, log, link::Links { wire }).await
    }
}
