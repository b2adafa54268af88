//! Who leads, and whether every node has what the others have, asked all the time: when a leader was missed, when there was a new one, and
//! when the last replica had caught up.

use std::{collections::VecDeque, time::Duration};

use futures_util::future::join_all;
use inventory_api::{ClusterView, InventoryClient};
use storefront_types::CallContext;
use tokio::sync::watch;
use uuid::Uuid;

use super::Meter;
use crate::run::{Reign, Replicas};

/// Pause between two looks: the times in a report are as good as this.
const PAUSE: Duration = Duration::from_millis(50);

/// A node that does not answer by then has nothing to say this time.
const DEADLINE: Duration = Duration::from_millis(200);

/// A node may be so far behind: entries are on their way all the time.
const WITHIN_MS: u64 = 1_000;

/// Changes kept of each: of one run, far more than there are elections.
const MOST: usize = 10_000;

/// Follows until told to end. `nodes`: a client for each node, with its name and address.
pub(super) async fn inventory(
    nodes: Vec<(String, String, InventoryClient)>,
    meter: &Meter,
    mut end: watch::Receiver<bool>,
) -> (Vec<Reign>, Vec<Replicas>) {
    let (mut seen, mut replicas): (Vec<Reign>, Vec<Replicas>) = (Vec::new(), Vec::new());
    let mut heads = Heads::default();
    while !*end.borrow_and_update() && seen.len() < MOST && replicas.len() < MOST {
        let at_ms = meter.now() / 1_000_000;
        let asked = nodes.iter().map(|(_, address, client)| async move { (address.as_str(), ask(client).await) });
        let asked: Vec<(&str, Option<ClusterView>)> = join_all(asked).await;
        let level = heads.level(at_ms, &asked);
        if replicas.last().is_none_or(|last| last.level != level) {
            replicas.push(Replicas { at_ms, level });
        }
        let views: Vec<ClusterView> = asked.into_iter().filter_map(|(_, view)| view).collect();
        let now = of(&views, &nodes, meter.now() / 1_000_000);
        if seen.last().is_none_or(|last| (last.term, &last.leader) != (now.term, &now.leader)) {
            seen.push(now);
        }
        tokio::time::sleep(PAUSE).await;
    }
    (seen, replicas)
}

/// The last entries of the newest log, as far back as a node may be behind.
#[derive(Default)]
struct Heads(VecDeque<(u64, u64)>);

impl Heads {
    /// Whether every member has applied what the newest log had by then. Whoever says nothing is not known to have it.
    fn level(&mut self, at_ms: u64, asked: &[(&str, Option<ClusterView>)]) -> bool {
        let views = || asked.iter().filter_map(|(_, view)| view.as_ref());
        let Some(newest) = views().max_by_key(|view| (view.term, view.leader.is_some(), view.last_log_index)) else {
            return false;
        };
        self.0.push_back((at_ms, newest.last_log_index));
        while self.0.get(1).is_some_and(|(then_ms, _)| then_ms + WITHIN_MS <= at_ms) {
            self.0.pop_front();
        }
        let wanted = self.0.front().map_or(0, |(_, index)| *index);
        let is_member = |address: &str| newest.members.iter().any(|member| member.address == address);
        let members = || asked.iter().filter(|(address, _)| is_member(address));
        members().count() > 0 && members().all(|(_, view)| view.as_ref().is_some_and(|view| view.applied_index >= wanted))
    }
}

async fn ask(client: &InventoryClient) -> Option<ClusterView> {
    client.clone().with_deadline(DEADLINE).cluster(&CallContext::background(Uuid::new_v4())).await.ok()
}

/// The leader of the highest term, if it says so itself.
fn of(views: &[ClusterView], nodes: &[(String, String, InventoryClient)], at_ms: u64) -> Reign {
    let term = views.iter().map(|view| view.term).max().unwrap_or_default();
    let leads = |view: &&ClusterView| view.term == term && view.leader.as_ref().is_some_and(|leader| leader.id == view.node_id);
    let address = views.iter().find(leads).and_then(|view| view.leader.clone()).map(|leader| leader.address);
    let leader = address.and_then(|address| nodes.iter().find(|(_, of, _)| *of == address)).map(|(name, ..)| name.clone());
    Reign { at_ms, term, leader }
}

#[cfg(test)]
mod tests {
    use inventory_api::{Member, MemberRole, NodeState};

    use super::*;

    fn view(term: u64, last: u64, applied: u64) -> Option<ClusterView> {
        let member = |id: u64| Member { id, address: format!("n{id}:1"), region: "eu".to_owned(), role: MemberRole::Voter };
        Some(ClusterView {
            cluster_id: "c".to_owned(),
            node_id: 1,
            state: NodeState::Follower,
            term,
            leader: None,
            members: [1, 2].map(member).into(),
            last_log_index: last,
            applied_index: applied,
        })
    }

    #[test]
    fn replicas_are_level_while_each_has_what_the_newest_log_had_a_second_ago() {
        let mut heads = Heads::default();
        let mut level = |at_ms, one, other| heads.level(at_ms, &[("n1:1", one), ("n2:1", other), ("n3:1", None)]);
        assert!(level(0, view(3, 10, 10), view(3, 10, 10)), "who is no member is not waited for");
        assert!(level(500, view(3, 20, 20), view(3, 20, 12)), "it has what there was");
        assert!(level(1_000, view(3, 30, 30), view(3, 20, 12)));
        assert!(!level(1_500, view(3, 30, 30), view(3, 20, 12)), "a second ago there was more");
        assert!(!level(1_600, view(3, 30, 30), None), "it says nothing");
        assert!(level(1_700, view(3, 30, 30), view(3, 30, 29)));
        // One that was cut off has a longer log of an older term, which nobody will ever have.
        assert!(level(2_000, view(4, 40, 40), view(3, 900, 35)));
        assert!(!level(9_000, None, None));
    }
}
