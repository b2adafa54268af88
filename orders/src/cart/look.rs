//! Looks carts up over both stores, many at a time.
//!
//! PostgreSQL tells what a cart is. Redis is asked beside it for changes that PostgreSQL has not got yet, and, with PostgreSQL away, for copies.

use std::{collections::BTreeMap, sync::Arc};

use storefront_types::ShopperId;

use super::{
    Stored,
    record::{Record, Row},
    region::{Beside, RegionStore, Unwritten},
};
use crate::{
    database::{DatabaseError, Gather, Gathered},
    spare::Spare,
};

/// Carts of one look.
const MOST: usize = 256;

/// With one under way, what comes meanwhile goes together in the next.
const LANES: usize = 1;

/// What is known of a cart.
#[derive(Clone, Debug)]
pub(super) enum Found {
    /// PostgreSQL has it, and all of it.
    Recorded(Row),
    /// PostgreSQL has it, and not yet this change.
    Behind(Row, Unwritten),
    /// PostgreSQL is away; this was changed since.
    Unwritten(Unwritten),
    /// PostgreSQL is away; it had this when it was last asked here, if anything.
    Copied(Option<Stored>),
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct Looks(Gather<ShopperId, Found>);

impl Looks {
    pub(super) fn new(record: Record, region: RegionStore, spare: Spare<ShopperId, Unwritten>) -> Self {
        let look = move |shoppers: Arc<Vec<ShopperId>>| {
            let (record, region, spare) = (record.clone(), region.clone(), spare.clone());
            async move { look(&record, &region, &spare, &shoppers).await }
        };
        Self(Gather::start("cart", MOST, LANES, look))
    }

    pub(super) async fn at(&self, shopper: ShopperId) -> Result<Found, DatabaseError> {
        self.0.ask(shopper).await
    }
}

async fn look(
    record: &Record,
    region: &RegionStore,
    spare: &Spare<ShopperId, Unwritten>,
    shoppers: &[ShopperId],
) -> Gathered<Found> {
    let (rows, beside) = tokio::join!(record.read(shoppers), region.beside(shoppers));
    let redis_is_away = beside.is_none();
    let Beside { mut unwritten, missing } = beside.unwrap_or_default();
    for shopper in shoppers {
        let Some(kept) = spare.get(*shopper) else { continue };
        // Redis lost it, or it is away; what another instance changed since is newer.
        let has_newer = unwritten.get(shopper).is_some_and(|known| known.cart.version >= kept.cart.version);
        if !has_newer {
            unwritten.insert(*shopper, kept);
        }
    }
    match rows {
        Ok(rows) => {
            // After the loss of Redis, it gets its copies back from what is looked at.
            let copies: Vec<_> = missing.iter().filter_map(|shopper| Some((*shopper, &rows.get(shopper)?.cart))).collect();
            if !copies.is_empty() {
                region.copy(&copies).await;
            }
            shoppers.iter().map(|shopper| Ok(with_record(*shopper, &rows, &unwritten))).collect()
        }
        Err(error) => {
            tracing::debug!(%error, "carts come from Redis");
            let copies = if redis_is_away { None } else { region.copies(shoppers).await };
            let known = copies.is_some();
            let copies = copies.unwrap_or_default();
            let each = |shopper: &ShopperId| match (unwritten.get(shopper), known) {
                (Some(unwritten), _) => Ok(Found::Unwritten(unwritten.clone())),
                (None, true) => Ok(Found::Copied(copies.get(shopper).cloned())),
                (None, false) => Err(DatabaseError::Away),
            };
            shoppers.iter().map(each).collect()
        }
    }
}

fn with_record(shopper: ShopperId, rows: &BTreeMap<ShopperId, Row>, unwritten: &BTreeMap<ShopperId, Unwritten>) -> Found {
    // Asked twice in one batch, it is told twice.
    let row = rows.get(&shopper).cloned().unwrap_or_default();
    match unwritten.get(&shopper) {
        Some(unwritten) => Found::Behind(row, unwritten.clone()),
        None => Found::Recorded(row),
    }
}
