//! The stock of everything, here, as the inventory tells it: followed from a node of this region, read without a question to anybody.
//!
//! Owns: the table of stock, up to when it is known to be current, which SKUs changed since a moment, and the streams that tell open
//! pages. Must not: decide about stock (a shown number is no promise), or wait for anything on the way of a request.

mod currency;
mod follow;
mod marks;
mod nodes;
mod seats;
mod stock;
mod streams;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use catalog_api::VariantStock;
use storefront_types::Sku;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

pub(crate) use currency::Currency;
pub(crate) use follow::follow;
pub(crate) use marks::{Marks, Moment, Place};
pub(crate) use seats::{Refused, StreamLimits};
use stock::{Level, Stock};
pub(crate) use streams::{MAX_VARIANTS, ProductStock, Streams};

/// Longest wait for the inventory's first word. Without an inventory an edge serves all the same.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// What the edge knows of stock.
pub(crate) struct Live {
    stock: Stock,
    currency: Currency,
    /// SKUs whose stock changed.
    pub(crate) changed: Marks,
    pub(crate) streams: Streams,
}

impl Live {
    pub(crate) fn new(limits: StreamLimits, stopping: CancellationToken) -> Arc<Self> {
        Arc::new(Self {
            stock: Stock::default(),
            currency: Currency::new(Instant::now()),
            changed: Marks::default(),
            streams: Streams::new(limits, stopping),
        })
    }

    /// Where the changes of a SKU are marked.
    pub(crate) fn place(&self, sku: &str) -> Place {
        Marks::place(self.stock.key(sku))
    }

    /// Whether what is known of stock is of now.
    pub(crate) fn is_current(&self, now: Instant) -> bool {
        self.currency.is_current(now)
    }

    /// Returns when some time is known up to which the stock is, or when that was waited for long enough: the edge shows what the catalog says
    /// then, which may be of the time when another edge asked it. For one caller.
    pub(crate) async fn begun(&self) {
        let _ = tokio::time::timeout(FIRST_WORD, self.currency.first_word()).await;
    }

    /// All changes up to then are known.
    pub(crate) fn as_of(&self) -> Option<OffsetDateTime> {
        self.currency.as_of()
    }

    /// What is to be shown of a SKU; `said` is what the catalog knew of it when it was asked.
    pub(crate) fn shown(&self, sku: &str, said: Option<&VariantStock>, now: Instant) -> Option<VariantStock> {
        // The time first: what is read after it is at least as new.
        let known = self.as_of().zip(self.stock.get(sku));
        let known = known.map(|(as_of, level)| VariantStock { available: level.available, as_of });
        newest(known, said, self.is_current(now))
    }

    /// What a whole listing does not have is not there any more.
    fn forget_all_but(&self, listed: &HashSet<u64>) {
        for key in self.stock.forget_all_but(listed) {
            self.changed.mark(Marks::place(key));
        }
    }

    /// Takes what a node told of a SKU.
    fn hear(&self, sku: &Sku, level: Level, is_listing: bool) {
        if self.stock.hear(sku.as_str(), level, is_listing) {
            self.changed.mark(self.place(sku.as_str()));
        }
    }
}

/// The catalog follows the same feed on its own: while this edge's is away, the catalog may know something newer.
fn newest(known: Option<VariantStock>, said: Option<&VariantStock>, is_current: bool) -> Option<VariantStock> {
    match (known, said) {
        (Some(known), Some(said)) if !is_current && said.as_of > known.as_of => Some(said.clone()),
        (known, said) => known.or_else(|| said.cloned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_edge_begins_with_the_first_word_and_without_one_all_the_same() {
        let limits = StreamLimits { most: 1, per_client: 1, stall: Duration::from_secs(30) };
        let live = Live::new(limits, CancellationToken::new());
        live.begun().await;
        assert!(live.as_of().is_none(), "nobody said anything");
        let (began, then) = (live.clone(), OffsetDateTime::UNIX_EPOCH);
        let beginning = tokio::spawn(async move { began.begun().await });
        live.currency.told(then, Instant::now());
        beginning.await.unwrap();
        assert_eq!((live.as_of(), live.is_current(Instant::now())), (Some(then), false));
    }

    #[test]
    fn the_catalog_is_believed_while_this_edge_hears_nothing() {
        let at = |s: i64| OffsetDateTime::UNIX_EPOCH + time::Duration::seconds(s);
        let stock = |available, s| VariantStock { available, as_of: at(s) };
        assert_eq!(newest(None, None, true), None);
        assert_eq!(newest(None, Some(&stock(3, 1)), true), Some(stock(3, 1)));
        assert_eq!(newest(Some(stock(4, 1)), None, false), Some(stock(4, 1)));
        // A current feed may be told of a change before it is told up to when it has heard all.
        assert_eq!(newest(Some(stock(4, 1)), Some(&stock(3, 2)), true), Some(stock(4, 1)));
        assert_eq!(newest(Some(stock(4, 1)), Some(&stock(3, 2)), false), Some(stock(3, 2)));
        assert_eq!(newest(Some(stock(4, 2)), Some(&stock(3, 1)), false), Some(stock(4, 2)));
    }
}
