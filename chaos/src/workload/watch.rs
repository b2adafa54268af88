//! Who leads, asked all the time: when a leader was missed and when there was a new one.

use std::time::Duration;

use futures_util::future::join_all;
use inventory_api::{ClusterView, InventoryClient};
use storefront_types::CallContext;
use tokio::sync::watch;
use uuid::Uuid;

use super::Meter;
use crate::run::Reign;

/// Pause between two looks: the times in a report are as good as this.
const PAUSE: Duration = Duration::from_millis(50);

/// A node that does not answer by then has nothing to say this time.
const DEADLINE: Duration = Duration::from_millis(200);

/// Changes kept: of one run, far more than there are elections.
const MOST: usize = 10_000;

/// Follows until told to end. `nodes`: a client for each node, with its name and address.
pub(super) async fn reigns(
    nodes: Vec<(String, String, InventoryClient)>,
    meter: &Meter,
    mut end: watch::Receiver<bool>,
) -> Vec<Reign> {
    let mut seen: Vec<Reign> = Vec::new();
    while !*end.borrow_and_update() && seen.len() < MOST {
        let asked = nodes.iter().map(|(.., client)| ask(client));
        let views: Vec<ClusterView> = join_all(asked).await.into_iter().flatten().collect();
        let now = of(&views, &nodes, meter.now() / 1_000_000);
        if seen.last().is_none_or(|last| (last.term, &last.leader) != (now.term, &now.leader)) {
            seen.push(now);
        }
        tokio::time::sleep(PAUSE).await;
    }
    seen
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
