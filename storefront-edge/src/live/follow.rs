//! Follows the inventory's changes: at a node of this region, else at another.
//!
//! A token means the same at every node, so the feed goes on elsewhere where it broke off. What no node remembers any more is read anew.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use inventory_api::{ClientError, InventoryClient, StockChange};
use storefront_service::background_context;
use storefront_tls::Tls;
use storefront_types::Region;
use time::OffsetDateTime;
use tokio::time::{timeout, timeout_at};

use super::{Live, stock::Level};
use crate::config::RegionAddress;

/// Before the next node is tried.
const RETRY: Duration = Duration::from_millis(200);

/// The feed says something every half second.
const SILENCE: Duration = Duration::from_secs(2);

/// A node that is cut off goes on to say the same time; another one may know more.
const BEHIND: Duration = Duration::from_secs(3);

/// So long no listing from before what was heard already is believed: a node may lag. After that the inventory was restored from a copy.
const NOT_BACK: Duration = Duration::from_secs(60);

/// After that long at another region's node, this region's own is tried again.
const AWAY: Duration = Duration::from_secs(60);

/// One page of the listing: 5,000 of them for a million SKUs.
const PAGE: u32 = 200;

/// Longest wait for a page.
const PAGE_TIMEOUT: Duration = Duration::from_secs(3);

/// A node, and whether it stands in this region.
struct Node {
    client: InventoryClient,
    address: String,
    is_near: bool,
}

/// Nodes in the order to be asked.
fn nodes(region: &Region, inventory: &[RegionAddress], tls: Option<&Tls>) -> Vec<Node> {
    let mut nodes: Vec<Node> = inventory
        .iter()
        .map(|at| Node {
            client: InventoryClient::new(vec![at.address.clone()]).with_tls(tls).with_deadline(PAGE_TIMEOUT),
            address: at.address.clone(),
            is_near: at.region == *region,
        })
        .collect();
    nodes.sort_by_key(|node| !node.is_near);
    nodes
}

/// Why a feed ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Away(#[from] ClientError),
    #[error("nothing was heard for {SILENCE:?}")]
    Silent,
    #[error("the stream ended")]
    Closed,
    #[error("the token is forgotten; reading the stock anew")]
    Compacted,
    #[error("the node went back while its stock was read")]
    WentBack,
    #[error("the node tells of no time later than {BEHIND:?} ago")]
    Behind,
    #[error("this region's own node is tried again")]
    TryNear,
}

/// Follows for ever.
pub(crate) async fn follow(live: Arc<Live>, region: Region, inventory: Vec<RegionAddress>, tls: Option<Tls>) {
    let nodes = nodes(&region, &inventory, tls.as_ref());
    let (mut token, mut newest): (Option<String>, Option<Heard>) = (None, None);
    loop {
        for node in &nodes {
            let ended = match from_node(&live, node, &mut token, &mut newest).await {
                Ok(never) => match never {},
                Err(ended) => ended,
            };
            metrics::counter!("edge_stock_feed_breaks_total").increment(1);
            tracing::info!(%ended, node = node.address, "the inventory's feed ended; following again");
            match ended {
                Ended::Compacted => token = None,
                Ended::WentBack => {
                    token = None;
                    tokio::time::sleep(RETRY).await;
                }
                Ended::TryNear => break,
                Ended::Away(_) | Ended::Silent | Ended::Closed | Ended::Behind => tokio::time::sleep(RETRY).await,
            }
        }
    }
}

/// The last token of any node, and when it came.
struct Heard {
    token: String,
    at: Instant,
}

/// When the time that a node tells last went on.
struct Progress {
    as_of: Option<OffsetDateTime>,
    at: Instant,
}

impl Progress {
    fn told(&mut self, as_of: OffsetDateTime) -> Result<(), Ended> {
        if self.as_of < Some(as_of) {
            *self = Self { as_of: Some(as_of), at: Instant::now() };
        }
        if self.at.elapsed() < BEHIND { Ok(()) } else { Err(Ended::Behind) }
    }
}

async fn from_node(
    live: &Live,
    node: &Node,
    token: &mut Option<String>,
    newest: &mut Option<Heard>,
) -> Result<std::convert::Infallible, Ended> {
    if token.is_none() {
        *token = Some(list(live, &node.client, newest.as_ref()).await?);
        metrics::gauge!("edge_stock_skus").set(live.stock.len() as f64);
    }
    let away = tokio::time::Instant::now() + AWAY;
    let mut changes = node.client.changes(&background_context(), token.as_deref()).await?.boxed();
    let mut group = Group::default();
    let mut progress = Progress { as_of: None, at: Instant::now() };
    loop {
        let next = timeout(SILENCE, changes.next());
        let next = match node.is_near {
            true => next.await,
            false => timeout_at(away, next).await.map_err(|_| Ended::TryNear)?,
        };
        match next.map_err(|_| Ended::Silent)?.ok_or(Ended::Closed)?? {
            StockChange::Stock { token: now, sku, version, available, as_of, .. } => {
                live.hear(&sku, Level { version, available }, false);
                if let Some(complete) = group.line(as_of) {
                    live.currency.told(complete, Instant::now());
                }
                *newest = Some(Heard { token: now.clone(), at: Instant::now() });
                *token = Some(now);
            }
            StockChange::Heartbeat { token: now, as_of } => {
                if let Some(as_of) = as_of {
                    live.currency.told(as_of, Instant::now());
                    progress.told(as_of)?;
                }
                *newest = Some(Heard { token: now.clone(), at: Instant::now() });
                *token = Some(now);
            }
            StockChange::Compacted { .. } => return Err(Ended::Compacted),
        }
    }
}

/// Lines come in groups of one time each: all up to it is known when the group is over, which the next one tells.
#[derive(Default)]
struct Group(Option<OffsetDateTime>);

impl Group {
    /// The time of the group before, when this line begins another.
    fn line(&mut self, as_of: OffsetDateTime) -> Option<OffsetDateTime> {
        self.0.replace(as_of).filter(|before| *before < as_of)
    }
}

/// Reads all stock of one node, and gives the token to go on from.
async fn list(live: &Live, client: &InventoryClient, newest: Option<&Heard>) -> Result<String, Ended> {
    let context = background_context();
    let (mut cursor, mut first): (Option<String>, Option<String>) = (None, None);
    loop {
        let page = client.stock_page(&context, PAGE, cursor.as_deref()).await?;
        let token = first.get_or_insert_with(|| page.changes_token.clone());
        // A node that was started again may know less than before for a moment: changes between the two would be lost.
        let is_old = newest.is_some_and(|heard| heard.at.elapsed() < NOT_BACK && is_before(&page.changes_token, &heard.token));
        if is_old || is_before(&page.changes_token, token) {
            return Err(Ended::WentBack);
        }
        for stock in &page.items {
            live.hear(&stock.sku, Level { version: stock.version, available: stock.available() }, true);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(first.unwrap_or(page.changes_token));
        }
    }
}

fn is_before(token: &str, other: &str) -> bool {
    match (token.parse::<u64>(), other.parse::<u64>()) {
        (Ok(token), Ok(other)) => token < other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_complete_when_the_next_begins() {
        let at = |s| OffsetDateTime::UNIX_EPOCH + Duration::from_secs(s);
        let mut group = Group::default();
        let told: Vec<_> = [5, 5, 5, 7, 7, 8].into_iter().map(|s| group.line(at(s))).collect();
        assert_eq!(told, [None, None, None, Some(at(5)), None, Some(at(7))]);
        assert!(is_before("9", "10") && !is_before("10", "9") && !is_before("x", "9"));
    }

    #[test]
    fn the_own_regions_node_is_asked_first() {
        let inventory: Vec<RegionAddress> = ["us=a", "eu=b", "ap=c"].iter().map(|text| text.parse().unwrap()).collect();
        let nodes = nodes(&"eu".parse().unwrap(), &inventory, None);
        let order: Vec<_> = nodes.iter().map(|node| (node.address.as_str(), node.is_near)).collect();
        assert_eq!(order, [("b", true), ("a", false), ("c", false)]);
    }
}
