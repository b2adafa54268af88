//! Makes a page out of the catalog's answer and the stock that is known here.

use std::time::Instant;

use askama::Template;
use catalog_api::{Product, ProductPage, VariantStock};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    view::{View, query},
    views::{ListPage, ProductView},
};
use crate::live::Live;

/// A page's body, and what it depends on.
pub(super) struct Made {
    pub(super) body: Vec<u8>,
    pub(super) skus: Vec<String>,
    /// Equal prints mean pages that say the same, but for the time. For a page for people, its bytes are its print.
    pub(super) print: Option<blake3::Hash>,
}

/// Why a page cannot be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotMade {
    #[error("the catalog's answer is not what its contract says: {0}")]
    Source(#[from] serde_json::Error),
    #[error(transparent)]
    Template(#[from] askama::Error),
}

/// `covered`: the catalog is away, and its answer is of then.
pub(super) fn make(
    view: &View,
    source: &[u8],
    covered: Option<OffsetDateTime>,
    live: &Live,
    now: Instant,
) -> Result<Made, NotMade> {
    match view {
        View::ProductJson => product_json(source, live, now),
        View::ProductPage => {
            let mut product: Product = serde_json::from_slice(source)?;
            for variant in &mut product.variants {
                variant.stock = live.shown(variant.sku.as_str(), variant.stock.as_ref(), now);
            }
            let skus = product.variants.iter().map(|variant| variant.sku.to_string()).collect();
            let body = ProductView { product, is_current: live.is_current(now), covered }.render()?.into_bytes();
            Ok(Made { body, skus, print: None })
        }
        View::List(given) => {
            let page: ProductPage = serde_json::from_slice(source)?;
            let next = page.next_cursor.as_deref().map(|cursor| {
                let pairs =
                    given.iter().map(|(name, value)| (name.as_str(), value.as_str())).filter(|(name, _)| *name != "cursor");
                query(pairs.chain([("cursor", cursor)]))
            });
            let text = |wanted: &str| given.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
            let text = |wanted: &str| text(wanted).unwrap_or_default();
            let list = ListPage { page, q: text("q"), category: text("category"), sort: text("sort"), next, covered };
            Ok(Made { body: list.render()?.into_bytes(), skus: Vec::new(), print: None })
        }
    }
}

/// The catalog's own answer with the stock in it replaced: what this version does not know of is passed on, also when it is all of it.
fn product_json(source: &[u8], live: &Live, now: Instant) -> Result<Made, NotMade> {
    let Ok(mut product) = serde_json::from_slice::<Value>(source) else {
        return Ok(Made { body: source.to_vec(), skus: Vec::new(), print: None });
    };
    let mut skus = Vec::new();
    let mut print = blake3::Hasher::new();
    print.update(source).update(&[u8::from(live.is_current(now))]);
    let variants = product.get_mut("variants").and_then(Value::as_array_mut);
    for variant in variants.into_iter().flatten() {
        let Some(sku) = variant.get("sku").and_then(Value::as_str).map(str::to_owned) else { continue };
        let said: Option<VariantStock> = variant.get("stock").and_then(|stock| serde_json::from_value(stock.clone()).ok());
        if let Some(stock) = live.shown(&sku, said.as_ref(), now) {
            print.update(&stock.available.to_le_bytes());
            let as_of = stock.as_of.format(&Rfc3339).unwrap_or_default();
            variant["stock"] = serde_json::json!({"available": stock.available, "as_of": as_of});
        }
        skus.push(sku);
    }
    Ok(Made { body: serde_json::to_vec(&product)?, skus, print: Some(print.finalize()) })
}
