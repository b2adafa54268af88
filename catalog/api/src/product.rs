//! Products as shoppers and services see them.

use serde::{Deserialize, Serialize};
use storefront_types::{Money, ProductId, Sku};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// One product in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ListItem {
    pub id: ProductId,
    pub handle: String,
    pub title: String,
    /// Path of category names from the root, e.g. `Home > Lighting`; `null` when the product has none.
    pub category: Option<String>,
    /// Lowest price of its variants.
    pub price: Money,
    pub image: Option<Image>,
    /// Units available over all variants and locations; `null` when nothing was heard yet. The number may be a minute old, whether it is 0
    /// is known within seconds; the product itself says the number of now.
    pub available: Option<u64>,
}

/// `GET /v1/products`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProductPage {
    pub items: Vec<ListItem>,
    pub next_cursor: Option<String>,
    pub facets: Facets,
}

/// Counts over the whole result, not only the page.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Facets {
    pub total: u64,
    pub categories: Vec<CategoryFacet>,
    pub price: Option<PriceFacet>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CategoryFacet {
    /// Value for `?category=`.
    pub slug: String,
    pub name: String,
    pub count: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PriceFacet {
    pub min: Money,
    pub max: Money,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Category {
    pub slug: String,
    pub name: String,
    /// Names from the root to this one.
    pub path: Vec<String>,
    pub parent: Option<String>,
    pub products: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Image {
    /// Absolute URL or a path at the edge.
    pub src: String,
    pub alt: Option<String>,
}

/// Name of an option with its values in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProductOption {
    pub name: String,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VariantOption {
    pub name: String,
    pub value: String,
}

/// Stock of a variant over all locations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct VariantStock {
    pub available: u64,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub as_of: OffsetDateTime,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Variant {
    pub sku: Sku,
    pub title: String,
    pub options: Vec<VariantOption>,
    pub price: Money,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_at_price: Option<Money>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// `null` when nothing was heard from the inventory yet.
    pub stock: Option<VariantStock>,
}

/// `GET /v1/products/{id or handle}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Product {
    pub id: ProductId,
    pub handle: String,
    pub title: String,
    /// Sanitised HTML.
    pub description: String,
    pub vendor: Option<String>,
    pub category: Option<String>,
    pub tags: Vec<String>,
    pub options: Vec<ProductOption>,
    pub images: Vec<Image>,
    pub variants: Vec<Variant>,
}

/// `POST /v1/prices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PricesRequest {
    /// At most [`crate::MAX_PRICE_SKUS`].
    pub skus: Vec<Sku>,
}

/// What one SKU costs now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceQuote {
    pub sku: Sku,
    /// Title for a cart line: product title, and the variant's where there is more than one.
    pub title: String,
    /// Handle of the product, for a link.
    pub handle: String,
    pub unit_price: Money,
}

/// Answer of `POST /v1/prices`: unknown SKUs are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceQuotes {
    pub quotes: Vec<PriceQuote>,
    /// When the read model last agreed with the database; `orders` refuses prices older than its bound.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub as_of: OffsetDateTime,
}

/// One line of `GET /v1/changes`: what caches must drop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum CatalogChange {
    /// Answers with any of these tags changed. Sequences are dense within one epoch: a gap means that something was missed.
    Purge { epoch: String, sequence: u64, tags: Vec<String> },
    /// Alive; nothing newer than this sequence.
    Heartbeat { epoch: String, sequence: u64 },
    /// What was asked for is no longer kept: drop everything, then follow from here.
    Reset { epoch: String, sequence: u64 },
}
