//! Where the leader stands. A checkout goes to the leader and from there to PostgreSQL: with both in one region it crosses the sea once.
//!
//! Owns: that a leader elsewhere hands over to a voter of the wanted region which has been well for a while. Must not: hurry; a leader in
//! the wrong region is slow, one that changes all the time is away.

use std::time::Duration;

use openraft::{Instant as _, ServerState, async_runtime::WatchReceiver};
use tokio::time::Instant;

use super::node::Consensus;

/// So long a voter has to be well before it is handed the leadership; a leader before it hands it on.
const WELL_FOR: Duration = Duration::from_secs(10);

/// Between two attempts. While a hand-over is offered no commands are taken.
const AGAIN_AFTER: Duration = Duration::from_secs(30);

/// A voter that is well answered within so many heartbeats.
const HEARD_WITHIN: u32 = 4;

/// A voter that is well lacks no more entries than are on their way: it has to have all of them before the next election.
const MOST_BEHIND: u64 = 16;

/// Remembers since when which voter has been well.
#[derive(Debug)]
pub(crate) struct Placement {
    wanted: Option<String>,
    heartbeat: Duration,
    well: Option<(u64, Instant)>,
    tried: Option<Instant>,
}

impl Placement {
    /// `wanted`: region of the leader; without one, whoever leads goes on.
    pub(crate) fn new(wanted: Option<String>, heartbeat: Duration) -> Self {
        Self { wanted, heartbeat, well: None, tried: None }
    }

    /// Does what is due.
    pub(crate) async fn look(&mut self, consensus: &Consensus) {
        let Some(region) = &self.wanted else { return };
        let heir = consensus.well_in(region, self.heartbeat * HEARD_WITHIN);
        let Some(heir) = self.due(heir, Instant::now()) else { return };
        tracing::info!(heir, region = self.wanted, "the leader hands over to the region where it shall stand");
        if let Err(error) = consensus.transfer_leader(heir).await {
            tracing::warn!(error, "leadership was not handed over");
        }
    }

    /// `heir`: a voter that is well now.
    fn due(&mut self, heir: Option<u64>, now: Instant) -> Option<u64> {
        let before = self.well.filter(|(voter, _)| Some(*voter) == heir);
        self.well = before.or(heir.map(|heir| (heir, now)));
        let (heir, since) = self.well?;
        let rests = self.tried.is_some_and(|tried| now - tried < AGAIN_AFTER);
        if rests || now - since < WELL_FOR {
            return None;
        }
        self.tried = Some(now);
        Some(heir)
    }
}

impl Consensus {
    /// A voter of a region that could take over at once. `None` where this node does not lead, or stands there itself.
    fn well_in(&self, region: &str, heard_within: Duration) -> Option<u64> {
        let receiver = self.raft.metrics();
        let seen = receiver.borrow_watched();
        let membership = seen.membership_config.membership();
        let stands_there = |id: u64| membership.get_node(&id).is_some_and(|peer| peer.region == region);
        if seen.state != ServerState::Leader || membership.get_joint_config().len() > 1 || stands_there(self.node_id) {
            return None;
        }
        let (heard, replicated) = (seen.heartbeat.as_ref()?, seen.replication.as_ref()?);
        let is_well = |id: &u64| {
            let answered = heard.get(id).copied().flatten().is_some_and(|at| at.elapsed() < heard_within);
            let has = replicated.get(id).copied().flatten().map_or(0, |last| last.index);
            answered && has + MOST_BEHIND > seen.last_log_index.unwrap_or_default()
        };
        membership.voter_ids().find(|id| stands_there(*id) && is_well(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voter_that_has_been_well_for_a_while_is_handed_over_to_and_not_again_at_once() {
        let began = Instant::now();
        let at = |s| began + Duration::from_secs(s);
        let mut placement = Placement::new(Some("eu".to_owned()), Duration::from_millis(100));
        assert_eq!([placement.due(Some(1), at(0)), placement.due(Some(1), at(9))], [None, None]);
        assert_eq!(placement.due(None, at(9)), None, "it does not answer");
        assert_eq!([placement.due(Some(1), at(10)), placement.due(Some(1), at(19))], [None, None]);
        assert_eq!(placement.due(Some(2), at(19)), None, "another one has to be well as long");
        assert_eq!([placement.due(Some(2), at(28)), placement.due(Some(2), at(29))], [None, Some(2)]);
        assert_eq!([placement.due(Some(2), at(58)), placement.due(Some(2), at(59))], [None, Some(2)]);
    }
}
