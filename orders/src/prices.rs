//! Prices from the catalog: concurrent questions go together in one request.
//!
//! Owns: that. Must not: keep a price; who asks hears what the catalog says now.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use catalog_api::{CatalogClient, ClientError, MAX_PRICE_SKUS, PriceQuote, PriceQuotes};
use storefront_types::{CallContext, Sku};
use time::OffsetDateTime;

use crate::database::Gather;

/// Questions of one request at most; together they may have more SKUs than the catalog takes at once, which are then asked for in several.
const MOST: usize = 128;

/// Requests under way at once. With one, what comes meanwhile goes together in the next.
const LANES: usize = 1;

#[derive(Clone)]
struct Asked {
    context: CallContext,
    skus: Vec<Sku>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct Catalog(Gather<Asked, Result<PriceQuotes, String>>);

impl Catalog {
    pub(crate) fn new(client: CatalogClient) -> Self {
        let ask = move |asked: Arc<Vec<Asked>>| {
            let client = client.clone();
            async move {
                let heard = ask(&client, &asked).await.map_err(|error| error.to_string());
                let heard = heard.map(|(as_of, quotes)| (as_of, by_sku(quotes)));
                let each =
                    |asked: &Asked| Ok(heard.as_ref().map(|(as_of, quotes)| of(asked, *as_of, quotes)).map_err(Clone::clone));
                asked.iter().map(each).collect()
            }
        };
        Self(Gather::start("prices", MOST, LANES, ask))
    }

    /// What these SKUs cost now; unknown ones are left out.
    pub(crate) async fn prices(&self, context: &CallContext, skus: &[Sku]) -> Result<PriceQuotes, ClientError> {
        let asked = Asked { context: context.clone(), skus: skus.to_vec() };
        let heard = self.0.ask(asked).await.map_err(|_| ClientError::Unavailable("too many wait for it".to_owned()))?;
        heard.map_err(ClientError::Unavailable)
    }
}

/// The quotes, as of the oldest of the answers.
async fn ask(client: &CatalogClient, asked: &[Asked]) -> Result<(OffsetDateTime, Vec<PriceQuote>), ClientError> {
    let skus: BTreeSet<&Sku> = asked.iter().flat_map(|one| &one.skus).collect();
    let skus: Vec<Sku> = skus.into_iter().cloned().collect();
    let (mut as_of, mut quotes) = (OffsetDateTime::now_utc(), Vec::with_capacity(skus.len()));
    let Some(first) = asked.first() else { return Ok((as_of, quotes)) };
    for some in skus.chunks(MAX_PRICE_SKUS) {
        let heard = client.prices(&first.context, some).await?;
        as_of = as_of.min(heard.as_of);
        quotes.extend(heard.quotes);
    }
    Ok((as_of, quotes))
}

fn by_sku(quotes: Vec<PriceQuote>) -> HashMap<Sku, PriceQuote> {
    quotes.into_iter().map(|quote| (quote.sku.clone(), quote)).collect()
}

fn of(asked: &Asked, as_of: OffsetDateTime, quotes: &HashMap<Sku, PriceQuote>) -> PriceQuotes {
    PriceQuotes { as_of, quotes: asked.skus.iter().filter_map(|sku| quotes.get(sku).cloned()).collect() }
}
