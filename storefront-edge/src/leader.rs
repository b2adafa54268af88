//! Who leads the inventory, and so which region's `orders` a checkout goes to.
//!
//! Owns: the view `{term, address, region}`; only a higher term replaces it. Must not: believe an address that is no known member.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use inventory_api::InventoryClient;
use storefront_service::background_context;
use storefront_tls::Tls;
use storefront_types::Region;

use crate::config::RegionAddress;

/// Between two questions while a leader is known, and while none is. A little uneven, so that edges do not ask in step.
const KNOWN: Duration = Duration::from_millis(1_000);
const UNKNOWN: Duration = Duration::from_millis(100);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct View {
    term: u64,
    address: Option<String>,
}

#[derive(Debug)]
pub(crate) struct LeaderView {
    members: Vec<RegionAddress>,
    view: Mutex<View>,
}

impl LeaderView {
    pub(crate) fn new(members: Vec<RegionAddress>) -> Self {
        Self { members, view: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a hint; it counts when it is newer, or fills a gap, and names a known member.
    pub(crate) fn hint(&self, term: u64, address: &str) {
        let mut view = self.lock();
        let newer = term > view.term || (term == view.term && view.address.is_none());
        if newer && self.members.iter().any(|member| member.address == address) {
            tracing::info!(term, address, "the inventory has a leader");
            *view = View { term, address: Some(address.to_owned()) };
            metrics::gauge!("edge_leader_term").set(term as f64);
        }
    }

    /// No node knows a leader of this term or a later one.
    fn lost(&self, term: u64) {
        let mut view = self.lock();
        if term >= view.term {
            view.address = None;
        }
    }

    /// Region of the leader, while one is known.
    pub(crate) fn region(&self) -> Option<Region> {
        let address = self.lock().address.clone()?;
        self.members.iter().find(|member| member.address == address).map(|member| member.region.clone())
    }
}

/// Asks the nodes for ever.
pub(crate) async fn probe(view: std::sync::Arc<LeaderView>, tls: Option<Tls>) {
    let addresses: Vec<String> = view.members.iter().map(|member| member.address.clone()).collect();
    let client = InventoryClient::new(addresses).with_tls(tls.as_ref()).with_deadline(Duration::from_millis(800));
    loop {
        match client.cluster(&background_context()).await {
            Ok(cluster) => match cluster.leader {
                Some(leader) => view.hint(cluster.term, &leader.address),
                None => view.lost(cluster.term),
            },
            Err(error) => tracing::debug!(%error, "no inventory node answers"),
        }
        let known = view.region().is_some();
        metrics::gauge!("edge_leader_known").set(if known { 1.0 } else { 0.0 });
        let uneven = Duration::from_millis(uuid::Uuid::new_v4().as_u64_pair().1 % 50);
        tokio::time::sleep(if known { KNOWN } else { UNKNOWN } + uneven).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_term_of_a_member_counts() {
        let view = LeaderView::new(vec!["eu=a".parse().unwrap(), "us=b".parse().unwrap()]);
        let region = || view.region().map(|region| region.to_string());
        view.hint(3, "a");
        view.hint(2, "b");
        view.hint(9, "stranger");
        assert_eq!(region().as_deref(), Some("eu"));
        view.hint(4, "b");
        assert_eq!(region().as_deref(), Some("us"));
        view.lost(3);
        assert_eq!(region().as_deref(), Some("us"));
        view.lost(4);
        assert_eq!(region(), None);
        view.hint(4, "a");
        assert_eq!(region().as_deref(), Some("eu"));
    }
}
