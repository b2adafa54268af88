//! Changes of the membership: a node joins as a learner, catches up, becomes a voter, is one no more, and leaves.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use openraft::{
    ChangeMembers,
    async_runtime::WatchReceiver,
    error::{ChangeMembershipError, ClientWriteError, RaftError},
    raft::ClientWriteResponse,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, error::Elapsed, timeout},
};

use super::{
    node::Consensus,
    type_config::{Peer, TypeConfig},
};

/// How far a learner may lag to become a voter: it then catches up within a second or two, and a quorum that counts on it waits no longer.
const MAX_LAG: u64 = 1_000;

/// Longest wait for a change to be committed. A joint membership takes two rounds; a new node may still be starting.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(20);

/// Longest wait for a voter to show that it is alive: many heartbeats.
const ALIVE: Duration = Duration::from_secs(3);

/// Between two looks at who has answered.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Why the membership was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemberError {
    #[error("this node is not the leader")]
    NotLeader,
    #[error("node {0} is a member already")]
    AlreadyMember(u64),
    #[error("id {0} was used before; a node that lost its data comes back under a new id, or votes could be given twice")]
    IdUsedBefore(u64),
    #[error("node {0} is not a member")]
    NotMember(u64),
    #[error("node {0} is the leader; transfer leadership first")]
    IsLeader(u64),
    #[error("node {id} lags {behind} entries behind; wait until it has caught up to {MAX_LAG}")]
    Lagging { id: u64, behind: u64 },
    #[error("without node {id}, {alive} of {voters} voters are alive: no quorum; bring another back first")]
    WouldLoseQuorum { id: u64, alive: usize, voters: usize },
    #[error("another change of the membership is under way; wait for it")]
    InProgress,
    #[error("the change is not known to be made: {0}")]
    Unknown(String),
}

type Changed = Result<(), MemberError>;

/// One that goes on whoever waits for it.
pub(super) type Changing =
    JoinHandle<Result<Result<ClientWriteResponse<TypeConfig>, RaftError<TypeConfig, ClientWriteError<TypeConfig>>>, Elapsed>>;

impl Consensus {
    /// Adds a node that follows the log and does not vote.
    pub(crate) async fn add_learner(&self, id: u64, peer: Peer) -> Changed {
        if self.members().contains(&id) {
            return Err(MemberError::AlreadyMember(id));
        }
        if self.shared.read().ids_ever.contains(&id) {
            return Err(MemberError::IdUsedBefore(id));
        }
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(id, peer)]))).await
    }

    /// Lets a learner vote.
    pub(crate) async fn promote(&self, id: u64) -> Changed {
        if !self.members().contains(&id) {
            return Err(MemberError::NotMember(id));
        }
        let behind = {
            let receiver = self.raft.metrics();
            let metrics = receiver.borrow_watched();
            let matched = metrics.replication.as_ref().ok_or(MemberError::NotLeader)?.get(&id).copied().flatten();
            let last = metrics.last_log_index.unwrap_or_default();
            // A leader whose vote was taken has all of its own log.
            let has = if id == self.node_id { last } else { matched.map_or(0, |matched| matched.index) };
            last.saturating_sub(has)
        };
        if behind > MAX_LAG {
            return Err(MemberError::Lagging { id, behind });
        }
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id]))).await
    }

    /// Takes a voter's vote: it follows the log as a learner from then on, and may be promoted again. A leader may be asked to do that to
    /// itself: it leads until that is committed without its own voice, and then hands over ([`super::settle`]).
    pub(crate) async fn demote(&self, id: u64) -> Changed {
        if !self.members().contains(&id) {
            return Err(MemberError::NotMember(id));
        }
        self.check_quorum_without(id).await?;
        self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id]))).await
    }

    /// Takes a node out. Its id is never used again.
    pub(crate) async fn remove(&self, id: u64) -> Changed {
        if !self.members().contains(&id) {
            return Err(MemberError::NotMember(id));
        }
        if id == self.node_id {
            return Err(MemberError::IsLeader(id));
        }
        if self.voters().contains(&id) {
            self.check_quorum_without(id).await?;
            self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id]))).await?;
        }
        self.change(ChangeMembers::RemoveNodes(BTreeSet::from([id]))).await
    }

    fn members(&self) -> BTreeSet<u64> {
        self.view().members.iter().map(|member| member.id).collect()
    }

    fn voters(&self) -> BTreeSet<u64> {
        let membership = self.raft.server_metrics().borrow_watched().membership_config.clone();
        membership.voter_ids().collect()
    }

    /// Whether a quorum of the others is alive now: each has answered a heartbeat that was sent after this call. Heard of a
    /// moment ago is not enough, because a change that cannot be committed stops the cluster.
    async fn check_quorum_without(&self, id: u64) -> Changed {
        let asked = Instant::now();
        loop {
            let (alive, voters) = self.heard_since(asked, id)?;
            if alive * 2 > voters {
                return Ok(());
            }
            if asked.elapsed() > ALIVE {
                return Err(MemberError::WouldLoseQuorum { id, alive, voters });
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Voters other than `id` that answered what was sent since `asked`, and how many there are.
    fn heard_since(&self, asked: Instant, id: u64) -> Result<(usize, usize), MemberError> {
        let receiver = self.raft.metrics();
        let metrics = receiver.borrow_watched();
        let heard = metrics.heartbeat.as_ref().ok_or(MemberError::NotLeader)?;
        let is_alive = |voter: &u64| {
            let acked = heard.get(voter).copied().flatten();
            *voter == self.node_id || acked.is_some_and(|acked| openraft::Instant::elapsed(&*acked) < asked.elapsed())
        };
        let rest: BTreeSet<u64> = metrics.membership_config.voter_ids().filter(|voter| *voter != id).collect();
        Ok((rest.iter().filter(|voter| is_alive(voter)).count(), rest.len()))
    }

    pub(super) async fn change(&self, change: ChangeMembers<u64, Peer>) -> Changed {
        match self.begin_change(change)?.await {
            Ok(Ok(Ok(_))) => Ok(()),
            Ok(Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))))) => Err(MemberError::NotLeader),
            Ok(Ok(Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_)))))) => {
                Err(MemberError::InProgress)
            }
            Ok(Ok(Err(error))) => Err(MemberError::Unknown(error.to_string())),
            Ok(Err(_)) => Err(MemberError::Unknown("no quorum answered in time".to_owned())),
            Err(error) => Err(MemberError::Unknown(error.to_string())),
        }
    }

    /// In a task of its own: whoever asked may hang up between the two steps of a change, and would leave a joint membership.
    pub(super) fn begin_change(&self, change: ChangeMembers<u64, Peer>) -> Result<Changing, MemberError> {
        let turn = self.changing.clone().try_lock_owned().map_err(|_| MemberError::InProgress)?;
        let raft = self.raft.clone();
        Ok(tokio::spawn(async move {
            let changed = timeout(CHANGE_TIMEOUT, raft.change_membership(change, true)).await;
            drop(turn);
            changed
        }))
    }
}
