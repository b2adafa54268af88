//! Keeps the read model up: product changes from PostgreSQL, stock from the inventory.

use std::{collections::BTreeSet, time::Duration};

use futures_util::StreamExt;
use inventory_api::{InventoryClient, StockChange};
use sqlx::{PgPool, postgres::PgListener};
use storefront_service::{Readiness, background_context};
use storefront_types::ProductId;
use time::OffsetDateTime;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::{
    database,
    product::{Catalog, Heard, load_all, load_some},
};

/// Between two attempts to reach what is away.
const RETRY: Duration = Duration::from_millis(500);

/// Without a notification the sequence is looked at anyway: a notification can be lost with its connection.
const LOOK: Duration = Duration::from_secs(2);

/// Changed products loaded at once.
const CHANGES: i64 = 1_000;

/// Lists are purged for stock at most once in that time, however many products sell out or come back.
const COALESCE: Duration = Duration::from_secs(1);

/// Products named in one purge: 45 bytes each. When more than these sell out or come back at once, all lists are purged.
const MAX_NAMED: usize = 1_000;

/// Stock pages at start.
const PAGE: u32 = 200;

/// The inventory says something at least every second; silence for so long means that the connection is dead.
const SILENCE: Duration = Duration::from_secs(5);

/// Loads the model, then follows the database for ever.
pub(crate) async fn follow_products(catalog: Catalog, pool: PgPool, readiness: Readiness) {
    loop {
        if let Err(error) = products(&catalog, &pool, &readiness).await {
            metrics::counter!("catalog_database_errors_total").increment(1);
            tracing::warn!(%error, "the database is away; serving what is in memory");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn products(catalog: &Catalog, pool: &PgPool, readiness: &Readiness) -> anyhow::Result<()> {
    database::migrate(pool).await?;
    let mut listener = PgListener::connect_with(pool).await?;
    // Listening begins before the load, so that nothing falls between the two.
    listener.listen("catalog").await?;
    let (products, mut sequence) = load_all(pool).await?;
    {
        let mut model = catalog.write();
        let gone: BTreeSet<ProductId> = model.products.keys().copied().collect();
        for id in gone {
            model.put(id, None);
        }
        for product in products {
            model.put(product.id, Some(product));
        }
        metrics::gauge!("catalog_products").set(model.products.len() as f64);
    }
    catalog.agrees_now();
    catalog.feed.purge(vec!["listing".to_owned(), "product".to_owned()]);
    readiness.set("products", Ok(()));
    loop {
        let (changed, newest) = load_some(pool, sequence, CHANGES).await?;
        sequence = newest;
        catalog.agrees_now();
        if changed.is_empty() {
            // A timeout is as good as a notification; an error means that the connection is gone.
            if let Ok(heard) = timeout(LOOK, listener.recv()).await {
                heard?;
            }
            continue;
        }
        let mut tags = vec!["listing".to_owned()];
        {
            let mut model = catalog.write();
            for (id, product) in changed {
                tags.push(format!("product:{id}"));
                model.put(id, product);
            }
            metrics::gauge!("catalog_products").set(model.products.len() as f64);
        }
        catalog.feed.purge(tags);
    }
}

/// Follows the inventory's stock for ever.
pub(crate) async fn follow_stock(catalog: Catalog, client: InventoryClient) {
    loop {
        if let Err(error) = stock(&catalog, &client).await {
            tracing::info!(%error, "the inventory's stream ended; shown stock says how old it is");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn stock(catalog: &Catalog, client: &InventoryClient) -> anyhow::Result<()> {
    let context = background_context();
    let mut touched: BTreeSet<ProductId> = BTreeSet::new();
    let (mut cursor, mut token): (Option<String>, Option<String>) = (None, None);
    loop {
        let page = client.stock_page(&context, PAGE, cursor.as_deref()).await?;
        token.get_or_insert(page.changes_token);
        let mut model = catalog.write();
        for stock in &page.items {
            let heard = Heard { version: stock.version, available: stock.available(), as_of: stock.as_of };
            touched.extend(model.hear(&stock.sku, heard));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let mut stream = client.changes(&context, token.as_deref()).await?.boxed();
    let mut flush = interval(COALESCE);
    flush.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut alive = Instant::now();
    loop {
        tokio::select! {
            change = stream.next() => {
                alive = Instant::now();
                match change {
                    Some(Ok(StockChange::Stock { sku, version, available, as_of, .. })) => {
                        touched.extend(catalog.write().hear(&sku, Heard { version, available, as_of }));
                    }
                    // A node that hears no leader says no later time; one of an older version says none.
                    Some(Ok(StockChange::Heartbeat { as_of, .. })) => {
                        let mut model = catalog.write();
                        model.stock_as_of = as_of.or(Some(OffsetDateTime::now_utc())).max(model.stock_as_of);
                    }
                    Some(Ok(StockChange::Compacted { .. })) => anyhow::bail!("the token was compacted; starting over"),
                    Some(Err(error)) => return Err(error.into()),
                    None => anyhow::bail!("the stream ended"),
                }
            }
            _ = flush.tick() => {
                if !touched.is_empty() {
                    catalog.feed.purge(tags(&std::mem::take(&mut touched)));
                }
                if alive.elapsed() > SILENCE {
                    anyhow::bail!("nothing was heard for {SILENCE:?}");
                }
            }
        }
    }
}

/// What caches must drop when these products sold out or came back. How many units there are, edges know by themselves.
fn tags(touched: &BTreeSet<ProductId>) -> Vec<String> {
    match touched.len() {
        0..=MAX_NAMED => touched.iter().map(|id| format!("product:{id}")).collect(),
        _ => vec!["listing".to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_few_products_are_named_and_many_purge_all_lists() {
        let products = |count: usize| (0..count).map(|n| ProductId::new(Uuid::from_u128(n as u128))).collect::<BTreeSet<_>>();
        assert_eq!(tags(&products(2)).len(), 2);
        assert!(tags(&products(MAX_NAMED)).iter().all(|tag| tag.starts_with("product:")));
        assert_eq!(tags(&products(MAX_NAMED + 1)), ["listing"]);
    }
}
