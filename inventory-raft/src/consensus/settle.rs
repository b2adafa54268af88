//! What a change of the membership leaves unfinished, and whoever leads finishes: a joint membership whose second step never came because
//! the leader died or gave up in between, and a leader that has no vote any more.
//!
//! A joint membership wants a majority of the old voters *and* of the new ones: left standing, the cluster stops at a loss that it is
//! meant to survive. openraft leaves both to the application.

use std::{collections::BTreeSet, time::Duration};

use openraft::{ChangeMembers, ServerState, async_runtime::WatchReceiver, metrics::RaftServerMetrics};
use tokio::time::Instant;

use super::{node::Consensus, type_config::TypeConfig};

/// Between two attempts. A hand-over takes a round of votes; a leader that offers it takes no commands until it is over.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfinished {
    /// The joint membership is committed; the step out of it is missing.
    Joint,
    /// It leads without a vote. That is safe, and its own disk counts for nothing.
    LeadsWithoutVote,
}

/// `None` where this node does not lead, or where the last change is not committed: then there is nothing to build on yet.
fn unfinished(seen: &RaftServerMetrics<TypeConfig>) -> Option<Unfinished> {
    let membership = &seen.membership_config;
    if seen.state != ServerState::Leader || seen.committed_membership_config != *membership {
        return None;
    }
    if membership.get_joint_config().len() > 1 {
        return Some(Unfinished::Joint);
    }
    membership.voter_ids().all(|voter| voter != seen.id).then_some(Unfinished::LeadsWithoutVote)
}

/// Remembers when it last tried.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    tried: Option<Instant>,
}

impl Settling {
    /// Does what is due, at most once a second.
    pub(crate) async fn look(&mut self, consensus: &Consensus) {
        let found = unfinished(&consensus.raft.server_metrics().borrow_watched());
        let Some(found) = found.filter(|_| self.tried.is_none_or(|tried| tried.elapsed() > AGAIN_AFTER)) else { return };
        self.tried = Some(Instant::now());
        match found {
            Unfinished::Joint => {
                // Refused while somebody is between the two steps. Nobody waits for it: the leader's other duties go on.
                if consensus.begin_change(ChangeMembers::AddVoterIds(BTreeSet::new())).is_ok() {
                    tracing::info!("a change of the membership was left half done; it is finished");
                }
            }
            Unfinished::LeadsWithoutVote => {
                let Some(heir) = consensus.heir() else { return };
                tracing::info!(heir, "this leader has no vote any more and hands over");
                if let Err(error) = consensus.transfer_leader(heir).await {
                    tracing::warn!(error, "leadership was not handed over");
                }
            }
        }
    }
}

impl Consensus {
    /// The voter that has most of the log.
    fn heir(&self) -> Option<u64> {
        let receiver = self.raft.metrics();
        let metrics = receiver.borrow_watched();
        let replicated = metrics.replication.as_ref()?;
        metrics.membership_config.voter_ids().max_by_key(|voter| replicated.get(voter).copied().flatten())
    }

    /// Whether no change of the membership is under way or was left half done, as far as this node knows.
    pub(crate) fn is_settled(&self) -> bool {
        let receiver = self.raft.server_metrics();
        let seen = receiver.borrow_watched();
        seen.committed_membership_config == seen.membership_config && seen.membership_config.get_joint_config().len() < 2
    }
}
