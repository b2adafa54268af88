//! Search over the read model: filter, facets, order, page. Pure.

use std::{cmp::Reverse, collections::BTreeMap};

use catalog_api::{CategoryFacet, Facets, PriceFacet, ProductPage};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    cursor,
    model::{Model, Stored, slug},
};

/// Words of a search that count; the rest is ignored.
const MAX_WORDS: usize = 8;

/// Facet values in one answer.
const MAX_FACETS: usize = 50;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sort {
    /// With words: titles that have them first; without: newest first.
    #[default]
    Relevance,
    PriceAsc,
    PriceDesc,
    Title,
    Newest,
}

#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProductsQuery {
    /// Words that must all occur in title, vendor, category or tags.
    pub(crate) q: Option<String>,
    /// Slug of a category; products below it count.
    pub(crate) category: Option<String>,
    /// Lowest price in minor units.
    pub(crate) min_price: Option<i64>,
    /// Highest price in minor units.
    pub(crate) max_price: Option<i64>,
    #[serde(default)]
    pub(crate) sort: Sort,
    /// 1 to 200.
    pub(crate) limit: Option<u32>,
    /// `next_cursor` of the page before.
    pub(crate) cursor: Option<String>,
}

/// The cursor is not one of ours, or its product is gone from this result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadCursor;

pub(crate) fn page(model: &Model, query: &ProductsQuery, limit: usize) -> Result<ProductPage, BadCursor> {
    let wanted = query.q.as_deref().unwrap_or_default().to_lowercase();
    let words: Vec<&str> = wanted.split_whitespace().take(MAX_WORDS).collect();
    let matches = |product: &&Stored| {
        let Some(price) = product.price() else { return false };
        words.iter().all(|word| product.haystack.contains(word))
            && query.min_price.is_none_or(|least| price.amount() >= least)
            && query.max_price.is_none_or(|most| price.amount() <= most)
    };
    let found: Vec<&Stored> = model.products.values().filter(matches).collect();
    let in_category = |product: &&Stored| query.category.as_deref().is_none_or(|wanted| within(product, wanted));
    let mut listed: Vec<&Stored> = found.iter().copied().filter(in_category).collect();
    let price = |product: &Stored| product.price().map_or(0, storefront_types::Money::amount);
    let in_title = |product: &Stored| words.iter().filter(|word| product.title.to_lowercase().contains(**word)).count();
    match query.sort {
        Sort::Relevance => listed.sort_by_cached_key(|product| (Reverse(in_title(product)), Reverse(product.position))),
        Sort::PriceAsc => listed.sort_by_key(|product| (price(product), product.id)),
        Sort::PriceDesc => listed.sort_by_key(|product| (Reverse(price(product)), product.id)),
        Sort::Title => listed.sort_by_cached_key(|product| (product.title.to_lowercase(), product.id)),
        Sort::Newest => listed.sort_by_key(|product| Reverse(product.position)),
    }
    let from = match &query.cursor {
        None => 0,
        Some(text) => {
            let last = cursor::read(text).ok_or(BadCursor)?;
            listed.iter().position(|product| product.id == last).ok_or(BadCursor)? + 1
        }
    };
    let shown = &listed[from..listed.len().min(from + limit)];
    let more = from + shown.len() < listed.len();
    Ok(ProductPage {
        items: shown.iter().filter_map(|product| model.list_item(product)).collect(),
        next_cursor: shown.last().filter(|_| more).map(|last| cursor::write(last.id)),
        facets: facets(&found, &listed),
    })
}

fn within(product: &Stored, wanted: &str) -> bool {
    let path = product.category_path();
    (1..=path.len()).any(|depth| slug(&path[..depth]) == wanted)
}

/// Categories over what the words and prices left, so that a shopper can change the category; totals over the list itself.
fn facets(found: &[&Stored], listed: &[&Stored]) -> Facets {
    let mut counts: BTreeMap<String, (String, u64)> = BTreeMap::new();
    for product in found {
        let path = product.category_path();
        if let Some(top) = path.first() {
            counts.entry(slug(&path[..1])).or_insert_with(|| ((*top).to_owned(), 0)).1 += 1;
        }
    }
    let mut categories: Vec<CategoryFacet> =
        counts.into_iter().map(|(slug, (name, count))| CategoryFacet { slug, name, count }).collect();
    categories.sort_by_key(|facet| Reverse(facet.count));
    categories.truncate(MAX_FACETS);
    let prices = || listed.iter().filter_map(|product| product.price());
    let price = prices().min_by_key(|price| price.amount()).zip(prices().max_by_key(|price| price.amount()));
    Facets { total: listed.len() as u64, categories, price: price.map(|(min, max)| PriceFacet { min, max }) }
}
