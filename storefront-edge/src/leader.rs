//! Who leads the inventory, and so which region's `orders` a checkout goes to.
//!
//! Owns: the view of the leader, its sources, and waiting for one. Must not: ask or believe an address that is no configured member.

mod probe;
mod view;

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue};
use inventory_api::{LEADER_HEADER, TERM_HEADER};
use storefront_types::Region;
use tokio::sync::watch;

use crate::config::RegionAddress;
pub(crate) use probe::probe;
pub(crate) use view::Standing;
use view::View;

#[derive(Debug)]
pub(crate) struct LeaderView {
    members: Vec<RegionAddress>,
    view: Mutex<View>,
    standing: watch::Sender<Standing>,
    unled_since: Mutex<Option<Instant>>,
}

impl LeaderView {
    pub(crate) fn new(members: Vec<RegionAddress>) -> Self {
        let view = View::new(members.iter().map(|member| member.address.clone()).collect());
        let standing = watch::Sender::new(view.standing());
        Self { members, view: Mutex::new(view), standing, unled_since: Mutex::new(Some(Instant::now())) }
    }

    /// Takes the hint of a service's answer, where it has one.
    pub(crate) fn take_hint(&self, headers: &HeaderMap) {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if let (Some(address), Some(term)) = (text(LEADER_HEADER), text(TERM_HEADER).and_then(|term| term.parse().ok())) {
            self.hear(|view| view.hint(term, address));
        }
    }

    fn answered(&self, node: usize, term: u64, leader: Option<&str>) {
        self.hear(|view| view.answered(node, term, leader));
    }

    fn silent(&self, node: usize) {
        self.hear(|view| view.silent(node));
    }

    fn hear(&self, what: impl FnOnce(&mut View)) {
        let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
        what(&mut view);
        // Published under the lock, so that what is published last is what was heard last.
        let standing = view.standing();
        self.standing.send_if_modified(|known| {
            let changed = *known != standing;
            *known = standing;
            if changed {
                self.tell(standing);
            }
            changed
        });
    }

    fn tell(&self, standing: Standing) {
        let mut since = self.unled_since.lock().unwrap_or_else(PoisonError::into_inner);
        match standing {
            Standing::Led { term, member } => {
                tracing::info!(term, address = self.members[member].address, "the inventory has a leader");
                metrics::gauge!("edge_leader_term").set(term as f64);
                if let Some(since) = since.take() {
                    metrics::counter!("edge_leader_unknown_ms_total")
                        .increment(u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX));
                }
            }
            Standing::Leaderless | Standing::Unseen => {
                tracing::info!(?standing, "no leader of the inventory is known");
                since.get_or_insert_with(Instant::now);
            }
        }
        metrics::gauge!("edge_leader_known").set(if matches!(standing, Standing::Led { .. }) { 1.0 } else { 0.0 });
    }

    pub(crate) fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// Term of the leader that is known; 0 while none is.
    pub(crate) fn term(&self) -> u64 {
        match self.standing() {
            Standing::Led { term, .. } => term,
            Standing::Leaderless | Standing::Unseen => 0,
        }
    }

    /// Region of the leader, while one is known.
    pub(crate) fn region(&self) -> Option<Region> {
        match self.standing() {
            Standing::Led { member, .. } => self.members.get(member).map(|member| member.region.clone()),
            Standing::Leaderless | Standing::Unseen => None,
        }
    }

    /// Waits while nodes say that there is no leader, no longer than `limit`. The standing after that.
    pub(crate) async fn wait(&self, limit: Duration) -> Standing {
        let mut changes = self.standing.subscribe();
        let led = changes.wait_for(|standing| *standing != Standing::Leaderless);
        let _ = tokio::time::timeout(limit, led).await;
        self.standing()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn whoever_waits_goes_on_when_a_leader_is_known_and_not_after_the_limit() {
        let view = Arc::new(LeaderView::new(vec!["eu=a".parse().unwrap(), "us=b".parse().unwrap()]));
        view.answered(0, 4, None);
        assert_eq!(view.wait(Duration::from_millis(5)).await, Standing::Leaderless);
        let waiting = tokio::spawn({
            let view = view.clone();
            async move { view.wait(Duration::from_secs(60)).await }
        });
        tokio::task::yield_now().await;
        let mut headers = HeaderMap::new();
        headers.insert(LEADER_HEADER, HeaderValue::from_static("b"));
        headers.insert(TERM_HEADER, HeaderValue::from_static("5"));
        view.take_hint(&headers);
        assert_eq!(waiting.await.unwrap(), Standing::Led { term: 5, member: 1 });
        assert_eq!(view.region().map(|region| region.to_string()).as_deref(), Some("us"));
    }
}
