//! Follows the inventory's changes: at a node of this region, else at another.
//!
//! A token means the same at every node of a cluster, so the feed goes on elsewhere where it broke off. What no node remembers any more is
//! read anew; so is everything when the inventory is another cluster, as after a restore from a copy: its numbers began elsewhere.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::StreamExt;
use inventory_api::{ClientError, InventoryClient, StockChange};
use storefront_service::background_context;
use storefront_tls::Tls;
use storefront_types::Region;
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{
    Live,
    nodes::{Node, near_is_well, nodes},
    stock::Level,
};
use crate::config::RegionAddress;

/// Before the next node is tried.
const RETRY: Duration = Duration::from_millis(200);

/// The feed says something every half second.
const SILENCE: Duration = Duration::from_secs(2);

/// A node that is cut off goes on to say the same time; another one may know more.
const BEHIND: Duration = Duration::from_secs(3);

/// So long no listing from before what was heard already is believed: a node may lag. After that somebody put older data in its place.
const NOT_BACK: Duration = Duration::from_secs(60);

/// While another region's node is followed, this region's own is looked at so often.
const AWAY: Duration = Duration::from_secs(60);

/// One page of the listing: 5,000 of them for a million SKUs.
const PAGE: u32 = 200;

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
    #[error("the node is of another cluster now")]
    Replaced,
    #[error("the node tells of no time later than {BEHIND:?} ago")]
    Behind,
    #[error("this region's own node is well again")]
    NearIsWell,
}

/// Follows for ever.
pub(crate) async fn follow(live: Arc<Live>, region: Region, inventory: Vec<RegionAddress>, tls: Option<Tls>) {
    follow_looking(live, nodes(&region, &inventory, tls.as_ref()), AWAY).await;
}

async fn follow_looking(live: Arc<Live>, nodes: Vec<Node>, away: Duration) {
    let mut known = Known::default();
    loop {
        for node in &nodes {
            let ended = match from_node(&live, (node, &nodes), &mut known, away).await {
                Ok(never) => match never {},
                Err(ended) => ended,
            };
            metrics::counter!("edge_stock_feed_breaks_total").increment(1);
            tracing::info!(%ended, node = node.address, "the inventory's feed ended; following again");
            match ended {
                Ended::Compacted => known.token = None,
                Ended::WentBack => {
                    known.token = None;
                    tokio::time::sleep(RETRY).await;
                }
                Ended::NearIsWell => break,
                Ended::Away(_) | Ended::Silent | Ended::Closed | Ended::Behind | Ended::Replaced => {
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }
}

/// How far the inventory was followed.
#[derive(Default)]
struct Known {
    /// What the other two are of.
    cluster: Option<String>,
    /// Where to go on; without it everything is read anew.
    token: Option<String>,
    newest: Option<Heard>,
}

impl Known {
    /// Tokens of another cluster say nothing of this one.
    fn meet(&mut self, cluster: &str) {
        let before = self.cluster.replace(cluster.to_owned());
        if before.is_some_and(|before| before != cluster) {
            tracing::warn!(cluster, "the inventory is another cluster; reading the stock anew");
            (self.token, self.newest) = (None, None);
        }
    }

    fn heard(&mut self, token: String) {
        self.newest = Some(Heard { token: token.clone(), at: Instant::now() });
        self.token = Some(token);
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
    (node, nodes): (&Node, &[Node]),
    known: &mut Known,
    away: Duration,
) -> Result<std::convert::Infallible, Ended> {
    let cluster = node.cluster().await?;
    known.meet(&cluster);
    if known.token.is_none() {
        known.token = Some(list(live, &node.client, known.newest.as_ref()).await?);
        metrics::gauge!("edge_stock_skus").set(live.stock.len() as f64);
    }
    let mut changes = node.client.changes(&background_context(), known.token.as_deref()).await?.boxed();
    // A stream stays at the process that began it; that one may have come after the one that was asked.
    if node.cluster().await? != cluster {
        return Err(Ended::Replaced);
    }
    let mut nearer = std::pin::pin!(near_is_well(nodes, &cluster, away));
    let mut group = Group::default();
    let mut progress = Progress { as_of: None, at: Instant::now() };
    loop {
        let next = tokio::select! {
            next = timeout(SILENCE, changes.next()) => next,
            () = &mut nearer, if !node.is_near => return Err(Ended::NearIsWell),
        };
        match next.map_err(|_| Ended::Silent)?.ok_or(Ended::Closed)?? {
            StockChange::Stock { token, sku, version, available, as_of, .. } => {
                live.hear(&sku, Level { version, available }, false);
                if let Some(complete) = group.line(as_of) {
                    live.currency.told(complete, Instant::now());
                }
                known.heard(token);
            }
            StockChange::Heartbeat { token, as_of } => {
                if let Some(as_of) = as_of {
                    live.currency.told(as_of, Instant::now());
                    progress.told(as_of)?;
                }
                known.heard(token);
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

/// Reads all stock of one node, forgets what it does not have, and gives the token to go on from.
async fn list(live: &Live, client: &InventoryClient, newest: Option<&Heard>) -> Result<String, Ended> {
    let context = background_context();
    let (mut cursor, mut first): (Option<String>, Option<String>) = (None, None);
    let mut listed = HashSet::new();
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
            listed.insert(live.stock.key(stock.sku.as_str()));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            live.forget_all_but(&listed);
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
mod tests;
