//! Follows the catalog's changes and purges. Whatever may have been missed makes everything stale.

use std::{sync::Arc, time::Duration};

use catalog_api::{CatalogChange, CatalogClient};
use futures_util::StreamExt;
use storefront_service::{Readiness, background_context};

use crate::storefront::Storefront;

/// Before the feed is followed again.
const RETRY: Duration = Duration::from_millis(300);

/// The catalog says something at least every second.
const SILENCE: Duration = Duration::from_secs(4);

pub(crate) async fn follow(shop: Arc<Storefront>, readiness: Readiness) {
    let client = CatalogClient::new(&shop.catalog);
    let mut place: Option<(String, u64)> = None;
    loop {
        let after = place.as_ref().map(|(epoch, sequence)| (epoch.as_str(), *sequence));
        // A catalog that takes the connection and says nothing is away too.
        match tokio::time::timeout(SILENCE, client.changes(&background_context(), after)).await {
            Ok(Ok(stream)) => {
                readiness.set("catalog", Ok(()));
                let mut stream = Box::pin(stream);
                while let Ok(Some(Ok(change))) = tokio::time::timeout(SILENCE, stream.next()).await {
                    take(&shop, &mut place, change);
                }
                tracing::info!("the catalog's feed ended; following again");
            }
            Ok(Err(error)) => tracing::info!(%error, "the catalog's feed is away"),
            Err(_) => tracing::info!("the catalog's feed does not begin"),
        }
        tokio::time::sleep(RETRY).await;
    }
}

fn take(shop: &Storefront, place: &mut Option<(String, u64)>, change: CatalogChange) {
    match change {
        CatalogChange::Purge { epoch, sequence, tags } => {
            let gap = place.as_ref().is_none_or(|(known, last)| *known != epoch || sequence != last + 1);
            let purges = &shop.cache.purges;
            purges.purge(tags.iter().map(|tag| purges.tag(tag)), false);
            metrics::counter!("edge_purged_tags_total").increment(tags.len() as u64);
            if gap {
                missed(shop);
            }
            shop.cache.followed_catalog((&epoch, sequence), &tags, gap);
            *place = Some((epoch, sequence));
        }
        CatalogChange::Heartbeat { epoch, sequence } => {
            if place.as_ref().is_some_and(|(known, last)| *known != epoch || *last != sequence) {
                missed(shop);
            }
            shop.cache.followed_catalog((&epoch, sequence), &[], true);
            *place = Some((epoch, sequence));
        }
        CatalogChange::Reset { epoch, sequence } => {
            missed(shop);
            shop.cache.followed_catalog((&epoch, sequence), &[], true);
            *place = Some((epoch, sequence));
        }
    }
}

fn missed(shop: &Storefront) {
    tracing::info!("purges may have been missed; everything is stale now");
    metrics::counter!("edge_soft_purges_total").increment(1);
    shop.cache.purges.purge_everything(true);
}
