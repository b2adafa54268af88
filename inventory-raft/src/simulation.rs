//! A node in a simulated world: the Raft, the ledger, the batcher and the read rounds that production runs, on a journal and a network
//! that the simulation gives.
//!
//! Owns: what the simulation may see and do. Must not: decide what is lost or late; the simulation does.

use std::{collections::BTreeMap, io, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{future::BoxFuture, stream::BoxStream};
use inventory_api::{MemberRole, NodeState};
use storefront_service::Readiness;

use crate::{
    batcher::{BatchError, Batcher},
    clock,
    consensus::{Consensus, ConsensusConfig, Peer, PeerServer, Placement},
    read::{ReadRounds, RoundError},
    stock::{Command, Inventory, LogTime, Outcome},
};

/// What a record of the journal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    Vote,
    Log,
}

/// Runs once, when a record and all before it were synced, or could not be.
pub type Synced = Box<dyn FnOnce(io::Result<()>) + Send>;

/// A simulated disk with one append-only file.
pub trait Journal: Send + Sync + 'static {
    /// What the file has, oldest first.
    fn records(&self) -> Vec<Bytes>;
    /// Writes a record behind the others.
    fn append(&self, kind: RecordKind, record: Bytes, synced: Synced);
}

/// What one node asks of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rpc {
    Append,
    Vote,
    PreVote,
    TransferLeader,
    /// The body carries a whole snapshot.
    Snapshot,
}

/// Bytes in pieces, as they come.
pub type Pieces<'a> = BoxStream<'a, io::Result<Bytes>>;

/// A simulated network, as one node sees it.
pub trait Wire: Send + Sync + 'static {
    /// Sends a question to node `to` and gives the answer. The caller has a deadline.
    fn call(&self, to: u64, rpc: Rpc, body: Bytes) -> BoxFuture<'static, io::Result<Bytes>>;
    /// Opens a stream of append requests to node `to` and gives the stream of answers.
    fn stream(&self, to: u64, requests: Pieces<'static>) -> BoxFuture<'static, io::Result<Pieces<'static>>>;
}

/// Where an entry stands in the log, and who put it there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    pub index: u64,
    pub term: u64,
    pub leader: u64,
}

/// An entry that a node has just applied.
#[derive(Debug)]
pub struct Seen<'a> {
    pub place: Place,
    /// A hash of the entry.
    pub content: [u8; 32],
    pub time: LogTime,
    pub commands: &'a [Command],
    pub outcomes: &'a [Outcome],
    /// The ledger after it.
    pub inventory: &'a Inventory,
}

/// Looks at each entry as a node applies it.
pub type Sight = Box<dyn Fn(&Seen<'_>) + Send + Sync>;

/// How a node is started.
#[derive(Clone, Debug)]
pub struct Settings {
    pub node_id: u64,
    /// Real directory for snapshots; it lives through crashes.
    pub data_dir: PathBuf,
    pub heartbeat: Duration,
    /// Shortest silence of a leader after which it is replaced.
    pub silence: Duration,
    /// Log entries between two snapshots.
    pub snapshot_every: u64,
    /// The first members; empty on a node that joins later.
    pub members: Vec<u64>,
}

/// What a node says of itself, all at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: NodeState,
    pub term: u64,
    pub leader: Option<u64>,
    pub voters: Vec<u64>,
    pub learners: Vec<u64>,
    /// No change of the membership is under way, or was left half done.
    pub is_settled: bool,
    pub applied: u64,
    /// The last entry in its log, synced or not.
    pub last_log: u64,
}

/// Why a node has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unanswered {
    /// Certainly nothing happened.
    Refused,
    /// Perhaps it happened.
    Unknown,
}

impl From<BatchError> for Unanswered {
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::QueueFull | BatchError::NotLeader => Self::Refused,
            BatchError::OutcomeUnknown => Self::Unknown,
        }
    }
}

impl From<RoundError> for Unanswered {
    fn from(_: RoundError) -> Self {
        Self::Refused
    }
}

/// Takes the wall clock from the simulation, for the whole process: milliseconds since the Unix epoch.
pub fn simulate_clock(now: fn() -> LogTime) {
    clock::simulate(now);
}

fn peer(id: u64) -> Peer {
    Peer { client: format!("n{id}"), raft: format!("n{id}"), region: "sim".to_owned() }
}

/// A running node.
#[derive(Clone)]
pub struct Node {
    consensus: Arc<Consensus>,
    batcher: Batcher,
    reads: ReadRounds,
    peers: PeerServer,
}

impl Node {
    /// Recovers from the newest snapshot and the journal, and runs.
    ///
    /// # Errors
    /// What was recovered cannot be run on.
    pub async fn start(settings: Settings, journal: Arc<dyn Journal>, wire: Arc<dyn Wire>, sight: Sight) -> Result<Self, String> {
        let config = ConsensusConfig {
            cluster_id: "simulated".to_owned(),
            node_id: settings.node_id,
            data_dir: settings.data_dir,
            heartbeat: settings.heartbeat,
            silence: settings.silence,
            snapshot_every: settings.snapshot_every,
            bootstrap: !settings.members.is_empty(),
            members: settings.members.into_iter().map(|id| (id, peer(id))).collect::<BTreeMap<_, _>>(),
        };
        let consensus = Consensus::start_simulated(config, journal, wire, sight).await.map_err(|error| error.to_string())?;
        let consensus = Arc::new(consensus);
        let (batcher, reads) = (Batcher::start(consensus.clone()), ReadRounds::start(consensus.clone()));
        let peers = consensus.peer_server();
        Ok(Self { consensus, batcher, reads, peers })
    }

    /// The duties of a leader. Returns with the reason when Raft has stopped by itself.
    pub async fn run(&self) -> String {
        tokio::select! {
            biased;
            reason = self.consensus.failed() => reason,
            () = crate::node::lead(self.consensus.clone(), self.batcher.clone(), Readiness::new(&["raft"]), Placement::new(None, std::time::Duration::ZERO)) => "lead".to_owned(),
        }
    }

    /// Puts commands into the log together; one outcome for each.
    pub async fn submit(&self, commands: Vec<Command>) -> Result<Vec<Outcome>, Unanswered> {
        Ok(self.batcher.submit(commands).await?)
    }

    /// Returns when this node is proved to lead and to have applied all that was answered before the call.
    pub async fn linearize(&self) -> Result<(), Unanswered> {
        Ok(self.reads.wait().await?)
    }

    /// Looks at the ledger as this node has it.
    pub fn look<T>(&self, at: impl FnOnce(u64, &Inventory) -> T) -> T {
        let applied = self.consensus.shared.read();
        at(applied.index(), &applied.inventory)
    }

    /// Spoils the ledger: the memory of what was refused is lost.
    pub fn forget_refusals(&self) {
        self.consensus.shared.write().inventory.forget_refusals();
    }

    pub fn standing(&self) -> Standing {
        let view = self.consensus.view();
        let of = |role| view.members.iter().filter(|member| member.role == role).map(|member| member.id).collect();
        Standing {
            state: view.state,
            term: view.term,
            leader: view.leader.as_ref().map(|leader| leader.id),
            voters: of(MemberRole::Voter),
            learners: of(MemberRole::Learner),
            is_settled: self.consensus.is_settled(),
            applied: self.consensus.shared.read().index(),
            last_log: self.consensus.log_progress().last_log,
        }
    }

    /// Answers a peer. `promised` hears of each vote that this node is about to tell the peer that it has.
    pub async fn answer(&self, rpc: Rpc, body: Bytes, promised: impl Fn(StoredVote)) -> io::Result<Bytes> {
        self.peers.answer(rpc, body, promised).await
    }

    /// Answers a peer's stream of append requests.
    pub fn answer_stream(&self, requests: Pieces<'static>) -> Pieces<'static> {
        self.peers.answer_stream(requests)
    }

    pub async fn add_learner(&self, id: u64) -> Result<(), String> {
        self.consensus.add_learner(id, peer(id)).await.map_err(|error| error.to_string())
    }

    pub async fn promote(&self, id: u64) -> Result<(), String> {
        self.consensus.promote(id).await.map_err(|error| error.to_string())
    }

    pub async fn demote(&self, id: u64) -> Result<(), String> {
        self.consensus.demote(id).await.map_err(|error| error.to_string())
    }

    pub async fn remove(&self, id: u64) -> Result<(), String> {
        self.consensus.remove(id).await.map_err(|error| error.to_string())
    }

    pub async fn transfer_leader(&self, to: u64) -> Result<(), String> {
        self.consensus.transfer_leader(to).await
    }
}

/// Term, node, and whether the node won.
pub type StoredVote = (u64, u64, bool);

/// The vote that a journal's records end with.
pub fn last_vote(records: &[Bytes]) -> Option<StoredVote> {
    crate::consensus::last_vote(records)
}

/// The entries that a journal's record adds to the log, with a hash of each.
pub fn written(record: &[u8]) -> Vec<(Place, [u8; 32])> {
    crate::consensus::written(record)
}
