//! Who leads and who is a member, kept ready: every answer names the leader, and working it out anew for each would cost more
//! than the answer.

use std::sync::Arc;

use inventory_api::{Leader, Member, MemberRole, NodeState};
use openraft::{ServerState, async_runtime::WatchReceiver, metrics::RaftServerMetrics};
use tokio::sync::watch;

use super::{
    node::Raft,
    type_config::{Peer, TypeConfig},
};

/// What this node knows of the cluster.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) state: NodeState,
    pub(crate) term: u64,
    pub(crate) leader: Option<Leader>,
    pub(crate) members: Vec<Member>,
}

impl View {
    fn of(metrics: &RaftServerMetrics<TypeConfig>) -> Self {
        let membership = &metrics.membership_config;
        let voters: Vec<u64> = membership.voter_ids().collect();
        let member = |(id, peer): (&u64, &Peer)| Member {
            id: *id,
            address: peer.client.clone(),
            region: peer.region.clone(),
            role: if voters.contains(id) { MemberRole::Voter } else { MemberRole::Learner },
        };
        let leader = metrics.current_leader.and_then(|id| Some((id, membership.get_node(&id)?)));
        Self {
            state: match metrics.state {
                ServerState::Leader => NodeState::Leader,
                ServerState::Follower => NodeState::Follower,
                ServerState::Candidate => NodeState::Candidate,
                ServerState::Learner => NodeState::Learner,
                ServerState::Shutdown => NodeState::Shutdown,
            },
            term: metrics.vote.leader_id.term,
            leader: leader.map(|(id, peer)| Leader { id, address: peer.client.clone() }),
            members: membership.nodes().map(member).collect(),
        }
    }
}

/// Follows Raft's own view until Raft is gone.
pub(super) fn follow(raft: &Raft) -> watch::Receiver<Arc<View>> {
    let mut metrics = raft.server_metrics();
    let first = Arc::new(View::of(&metrics.borrow_watched()));
    let (sender, views) = watch::channel(first);
    tokio::spawn(async move {
        while metrics.changed().await.is_ok() {
            let view = Arc::new(View::of(&metrics.borrow_watched()));
            let before = sender.send_replace(view.clone());
            if (before.term, &before.leader) != (view.term, &view.leader) {
                let leader = view.leader.as_ref().map(|leader| leader.id);
                metrics::counter!("inventory_leader_changes_total").increment(1);
                tracing::info!(term = view.term, ?leader, state = ?view.state, "the leader changed");
            }
        }
    });
    views
}
