//! One Raft node: started, asked, stopped.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

use axum::Router;
use inventory_api::NodeState;
use openraft::{
    Config, Instant, RaftNetworkFactory, ReadPolicy, ServerState, SnapshotPolicy,
    async_runtime::WatchReceiver,
    error::{ClientWriteError, LinearizableReadError, RaftError},
    network::NetSnapshot,
    storage::RaftLogStorage,
};
use storefront_tls::Tls;
use tokio::{sync::watch, time::timeout};

use super::{
    directories::Directories,
    log_store::LogStore,
    network::{NetworkFactory, PeerServer, raft_router},
    peer_gate::Gate,
    persister::{self, Persister},
    silence::election_timeouts,
    snapshot::{SnapshotDir, SnapshotFile},
    state_machine::{SharedState, StateMachine},
    type_config::{Peer, TypeConfig},
    vacancy::Vacancy,
    view::{self, View},
};
use crate::stock::{Command, Entry, LogTime, Outcome};

pub(crate) type Raft = openraft::Raft<TypeConfig, StateMachine>;

/// Log entries kept behind a snapshot for followers that lag a little, as after a restart: some 30 MiB under single purchases, 250 MiB
/// at most.
const KEEP_ENTRIES: u64 = 2_000;

/// Between two attempts to meet members that were not met yet.
const MEET_EVERY: Duration = Duration::from_secs(1);

/// Bytes of commands after which a snapshot is due, unless the last one weighs more. The log then weighs about as much as the
/// state, on the disk and in the time that replaying it takes.
const MIN_SNAPSHOT_LOG: u64 = 64 * 1024 * 1024;

/// Entries in one append RPC: 64 x 128 KiB are 8 MiB.
const MAX_APPEND_ENTRIES: u64 = 64;

/// Longest wait for a proposal to be committed and applied. Longer than two elections; after it the outcome is unknown.
const PROPOSAL_TIMEOUT: Duration = Duration::from_secs(4);

/// Longest wait for a read round: one election.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct ConsensusConfig {
    pub(crate) cluster_id: String,
    pub(crate) node_id: u64,
    pub(crate) data_dir: PathBuf,
    pub(crate) heartbeat: Duration,
    /// Shortest silence of a leader after which it is replaced.
    pub(crate) silence: Duration,
    pub(crate) snapshot_every: u64,
    /// The first members, used once when the cluster begins.
    pub(crate) members: BTreeMap<u64, Peer>,
    pub(crate) bootstrap: bool,
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConsensusError {
    #[error(
        "the log or state cannot be read: {0}. If the disk is damaged, remove this node from the cluster and let it join under a new \
         id with an empty directory"
    )]
    Storage(#[from] io::Error),
    #[error("the timing is not usable: {0}")]
    Config(String),
    #[error("Raft does not start: {0}")]
    Raft(String),
}

/// Why a proposal has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubmitError {
    /// Certainly not in the log.
    #[error("this node is not the leader")]
    NotLeader,
    /// Perhaps in the log.
    #[error("the outcome is unknown: {0}")]
    OutcomeUnknown(String),
}

/// Why a linearizable read cannot be answered here.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("this node is not the leader")]
    NotLeader,
    #[error("no quorum answered in time")]
    NoQuorum,
}

/// Places in a node's log, 0 before the first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogProgress {
    /// Last entry in the log, synced or not.
    pub(crate) last_log: u64,
    pub(crate) applied: u64,
    /// Last entry that the newest snapshot has.
    pub(crate) snapshot: u64,
    /// Last entry that is no more in the log.
    pub(crate) purged: u64,
}

pub(crate) struct Consensus {
    pub(super) raft: Raft,
    pub(crate) shared: Arc<SharedState>,
    pub(crate) cluster_id: Arc<str>,
    pub(crate) node_id: u64,
    /// Held between the two steps of a change of the membership.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
    view: watch::Receiver<Arc<View>>,
    snapshots: SnapshotDir,
    persister: Mutex<Option<Persister>>,
}

impl Consensus {
    pub(crate) async fn start(
        config: ConsensusConfig,
        directories: Arc<Directories>,
        tls: Option<&Tls>,
    ) -> Result<(Self, Router), ConsensusError> {
        let snapshots = SnapshotDir::open(&config.data_dir.join("snapshots"))?;
        let (directory, in_snapshots) = (config.data_dir.clone(), snapshots.clone());
        let recover = tokio::task::spawn_blocking(move || persister::recover(&directory, &in_snapshots));
        let (applied, store) = recover.await.map_err(io::Error::other)??;
        let shared = Arc::new(SharedState::new(applied));
        let persister = Persister::start(shared.clone(), store)?;
        let log = LogStore::open(&config.data_dir.join("log"))?;
        let gate = Gate { cluster_id: config.cluster_id.as_str().into(), directories };
        let network = NetworkFactory::new(gate.clone(), tls.cloned());
        let (node_id, silence, vacancy) = (config.node_id, config.silence, Vacancy::default());
        let mut started = Self::begin(config, shared, snapshots, log, network.clone()).await?;
        started.persister = Mutex::new(Some(persister));
        let raft = started.raft.clone();
        tokio::spawn(meet_members(raft.clone(), network));
        tokio::spawn(vacancy.clone().follow(raft, node_id, silence));
        let peers = raft_router(started.peer_server(), vacancy, gate);
        Ok((started, peers))
    }

    /// Runs Raft on the given log and network, with nothing that writes the state behind the log.
    pub(super) async fn begin(
        config: ConsensusConfig,
        shared: Arc<SharedState>,
        snapshots: SnapshotDir,
        log: impl RaftLogStorage<TypeConfig>,
        network: impl RaftNetworkFactory<TypeConfig, Network: NetSnapshot<TypeConfig, SnapshotData = SnapshotFile>>,
    ) -> Result<Self, ConsensusError> {
        let machine = StateMachine { shared: shared.clone(), snapshots: snapshots.clone() };
        let raft_config = Arc::new(raft_config(&config)?);
        let raft = Raft::new(config.node_id, raft_config, network, log, machine)
            .await
            .map_err(|error| ConsensusError::Raft(error.to_string()))?;
        if config.bootstrap && !raft.is_initialized().await.map_err(|error| ConsensusError::Raft(error.to_string()))? {
            // Every first member may try; the one that comes late finds the cluster begun, which is as good.
            if let Err(error) = raft.initialize(config.members).await {
                tracing::info!(%error, "the cluster was already begun");
            }
        }
        let cluster_id = config.cluster_id.as_str().into();
        let (persister, view, changing) = (Mutex::default(), view::follow(&raft), Arc::default());
        Ok(Self { raft, shared, cluster_id, node_id: config.node_id, changing, view, snapshots, persister })
    }

    /// What peers may ask for.
    pub(crate) fn peer_server(&self) -> PeerServer {
        PeerServer { raft: self.raft.clone(), shared: self.shared.clone(), snapshots: self.snapshots.clone() }
    }

    /// Puts one entry into the log and waits until it is applied: one outcome for each command.
    pub(crate) async fn submit(&self, entry: Entry) -> Result<Vec<Outcome>, SubmitError> {
        match timeout(PROPOSAL_TIMEOUT, self.raft.client_write(entry)).await {
            Ok(Ok(written)) => Ok(written.data),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Err(SubmitError::NotLeader),
            Ok(Err(error)) => Err(SubmitError::OutcomeUnknown(error.to_string())),
            Err(_) => Err(SubmitError::OutcomeUnknown("no quorum answered in time".to_owned())),
        }
    }

    /// Proves that this node leads and has applied everything answered before the call (ReadIndex, Raft section 6.4).
    pub(crate) async fn ensure_linearizable(&self) -> Result<(), ReadError> {
        match timeout(READ_TIMEOUT, self.raft.ensure_linearizable(ReadPolicy::ReadIndex)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(_)))) => Err(ReadError::NotLeader),
            Ok(Err(_)) | Err(_) => Err(ReadError::NoQuorum),
        }
    }

    /// Whether this node takes itself for the leader. A proposal or a read round proves it.
    pub(crate) fn is_leader(&self) -> bool {
        self.view.borrow().state == NodeState::Leader
    }

    /// What this node knows of the cluster; at most a moment behind Raft itself.
    pub(crate) fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Waits until this node's term or leader (0: none) is another than the known one, no longer than `limit`.
    pub(crate) async fn view_differs(&self, known: (u64, u64), limit: Duration) {
        let mut view = self.view.clone();
        let differs = |view: &Arc<View>| (view.term, view.leader.as_ref().map_or(0, |leader| leader.id)) != known;
        // Over its limit it is as it was, and when Raft is gone it stays so.
        let _ = timeout(limit, view.wait_for(differs)).await;
    }

    /// How far this node is.
    pub(crate) fn log_progress(&self) -> LogProgress {
        let receiver = self.raft.data_metrics();
        let metrics = receiver.borrow_watched();
        let index = |log_id: Option<super::type_config::LogId>| log_id.map_or(0, |last| last.index);
        LogProgress {
            last_log: index(metrics.last_log),
            applied: index(metrics.last_applied),
            snapshot: index(metrics.snapshot),
            purged: index(metrics.purged),
        }
    }

    /// Puts a mark into the log and waits until it is applied: its index.
    pub(crate) async fn mark(&self) -> Result<u64, SubmitError> {
        let entry = Entry::new(crate::clock::now(), &[Command::Mark]);
        match timeout(PROPOSAL_TIMEOUT, self.raft.client_write(entry)).await {
            Ok(Ok(written)) => Ok(written.log_id.index),
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_)))) => Err(SubmitError::NotLeader),
            Ok(Err(error)) => Err(SubmitError::OutcomeUnknown(error.to_string())),
            Err(_) => Err(SubmitError::OutcomeUnknown("no quorum answered in time".to_owned())),
        }
    }

    /// Takes a snapshot when the log since the last has grown as large as the state.
    pub(crate) async fn snapshot_when_due(&self) {
        let due = MIN_SNAPSHOT_LOG.max(self.shared.snapshot_bytes.load(Ordering::Relaxed));
        if self.shared.unsnapshotted.load(Ordering::Relaxed) > due
            && let Err(error) = self.trigger_snapshot().await
        {
            tracing::warn!(error, "a snapshot that is due was not begun");
        }
    }

    /// Where the newest snapshot lies.
    pub(crate) fn newest_snapshot(&self) -> Result<Option<PathBuf>, String> {
        let newest = self.snapshots.newest().map_err(|error| error.to_string())?;
        Ok(newest.map(|(file, _)| file.path))
    }

    /// The time for which this node's state is known to be the newest. A leader knows it as of the last answer of a quorum.
    pub(crate) fn as_of(&self, now: LogTime) -> LogTime {
        let receiver = self.raft.metrics();
        let metrics = receiver.borrow_watched();
        match (metrics.state, &metrics.last_quorum_acked) {
            // Its own quorum: it knows of everything, and acknowledges nothing to itself while there is nothing.
            (ServerState::Leader, _) if metrics.membership_config.voter_ids().eq([self.node_id]) => now,
            (ServerState::Leader, Some(acked)) => {
                let age_ms = u64::try_from(acked.elapsed().as_millis()).unwrap_or(u64::MAX);
                LogTime(now.0.saturating_sub(age_ms))
            }
            _ => self.shared.as_of(&self.shared.read()),
        }
    }

    /// Returns with the reason when Raft has stopped by itself, as after a failed sync.
    pub(crate) async fn failed(&self) -> String {
        // Not `metrics`, which changes several times with every entry and would wake this task as often. Both end with Raft.
        let mut view = self.raft.server_metrics();
        while view.changed().await.is_ok() {}
        match &self.raft.metrics().borrow_watched().running_state {
            Err(fatal) => fatal.to_string(),
            Ok(()) => "Raft is gone".to_owned(),
        }
    }

    pub(crate) async fn trigger_snapshot(&self) -> Result<(), String> {
        self.raft.trigger().snapshot().await.map_err(|error| error.to_string())
    }

    pub(crate) async fn transfer_leader(&self, to: u64) -> Result<(), String> {
        self.raft.trigger().transfer_leader(to).await.map_err(|error| error.to_string())
    }

    /// Stops Raft, then writes the state down and marks it clean.
    pub(crate) async fn stop(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "Raft did not stop cleanly");
        }
        let persister = self.persister.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(persister) = persister else { return };
        match tokio::task::spawn_blocking(|| persister.finish()).await {
            Ok(Ok(())) => tracing::info!("the state is written down"),
            Ok(Err(error)) => tracing::error!(%error, "the state was not written down; the next start rebuilds it"),
            Err(error) => tracing::error!(%error, "the persister is gone"),
        }
    }
}

/// Ends with Raft, when its metrics have no sender any more.
async fn meet_members(raft: Raft, network: NetworkFactory) {
    let mut view = raft.server_metrics();
    loop {
        let members: Vec<(u64, Peer)> = {
            let seen = view.borrow_watched();
            seen.membership_config.nodes().map(|(id, peer)| (*id, peer.clone())).collect()
        };
        network.meet(members.into_iter()).await;
        if let Ok(Err(_)) = timeout(MEET_EVERY, view.changed()).await {
            return;
        }
    }
}

fn raft_config(config: &ConsensusConfig) -> Result<Config, ConsensusError> {
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (shortest, longest) = election_timeouts(config.silence);
    let settings = Config {
        cluster_name: config.cluster_id.clone(),
        heartbeat_interval: ms(config.heartbeat),
        election_timeout_min: ms(shortest),
        election_timeout_max: ms(longest),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_every),
        max_in_snapshot_log_to_keep: KEEP_ENTRIES.min(config.snapshot_every),
        max_payload_entries: MAX_APPEND_ENTRIES,
        enable_pre_vote: Some(true),
        // A leader sends entries before its own disk has them. Back as leader of the same term without its tail, it would give
        // their places in the log to others, and followers that have the first would keep them: the election makes a new term.
        // Nor would it know what is committed, and its reads would be stale.
        enable_leader_restore: Some(false),
        ..Config::default()
    };
    settings.validate().map_err(|error| ConsensusError::Config(error.to_string()))
}
