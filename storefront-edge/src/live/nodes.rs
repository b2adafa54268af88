//! The inventory's nodes, as the feed of stock asks them: which first, which cluster they are of, whether one is worth changing to.

use std::time::Duration;

use futures_util::StreamExt;
use inventory_api::{ClientError, InventoryClient, StockChange};
use storefront_service::background_context;
use storefront_tls::Tls;
use storefront_types::Region;
use time::OffsetDateTime;
use tokio::time::timeout;

use crate::config::RegionAddress;

/// Longest wait for a page, or for what a node says of itself.
const PATIENCE: Duration = Duration::from_secs(3);

/// A node that is well says a later time every half second.
const WELL_WITHIN: Duration = Duration::from_secs(3);

/// A node, and whether it stands in this region.
pub(super) struct Node {
    pub(super) client: InventoryClient,
    pub(super) address: String,
    pub(super) is_near: bool,
    tls: Option<Tls>,
}

/// Nodes in the order to be asked.
pub(super) fn nodes(region: &Region, inventory: &[RegionAddress], tls: Option<&Tls>) -> Vec<Node> {
    let node = |at: &RegionAddress| Node {
        client: client(&at.address, tls),
        address: at.address.clone(),
        is_near: at.region == *region,
        tls: tls.cloned(),
    };
    let mut nodes: Vec<Node> = inventory.iter().map(node).collect();
    nodes.sort_by_key(|node| !node.is_near);
    nodes
}

fn client(address: &str, tls: Option<&Tls>) -> InventoryClient {
    InventoryClient::new(vec![address.to_owned()]).with_tls(tls).with_deadline(PATIENCE)
}

impl Node {
    /// The cluster that it is of. Asked by a client of its own, which would learn the other members and then ask those.
    pub(super) async fn cluster(&self) -> Result<String, ClientError> {
        let view = client(&self.address, self.tls.as_ref()).cluster(&background_context()).await?;
        Ok(view.cluster_id)
    }

    /// Whether it is of this cluster and hears its leader: the time it tells goes on.
    async fn is_well(&self, cluster: &str) -> bool {
        let goes_on = async {
            let mut changes = self.client.changes(&background_context(), None).await.ok()?.boxed();
            let mut first: Option<OffsetDateTime> = None;
            loop {
                let told = match changes.next().await?.ok()? {
                    StockChange::Stock { as_of, .. } => Some(as_of),
                    StockChange::Heartbeat { as_of, .. } => as_of,
                    StockChange::Compacted { .. } => return None,
                };
                if first.is_some() && told > first {
                    return Some(());
                }
                first = first.or(told);
            }
        };
        let same_cluster = async { self.cluster().await.is_ok_and(|known| known == cluster) };
        timeout(WELL_WITHIN, goes_on).await.ok().flatten().is_some() && same_cluster.await
    }
}

/// Returns when a node of this region is well, looking every so often. The node that is followed meanwhile is followed on.
pub(super) async fn near_is_well(nodes: &[Node], cluster: &str, every: Duration) {
    let near: Vec<&Node> = nodes.iter().filter(|node| node.is_near).collect();
    if near.is_empty() {
        std::future::pending::<()>().await;
    }
    loop {
        tokio::time::sleep(every).await;
        for node in &near {
            if node.is_well(cluster).await {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_regions_node_is_asked_first() {
        let inventory: Vec<RegionAddress> = ["us=a", "eu=b", "ap=c"].iter().map(|text| text.parse().unwrap()).collect();
        let nodes = nodes(&"eu".parse().unwrap(), &inventory, None);
        let order: Vec<_> = nodes.iter().map(|node| (node.address.as_str(), node.is_near)).collect();
        assert_eq!(order, [("b", true), ("a", false), ("c", false)]);
    }
}
