//! The catalog's HTTP contract. The edge hands these answers through, so they are the public ones of `GET /v1/products`.
//!
//! Owns: paths, answers and a small client. Must not: know how products are stored.

mod client;
mod product;

pub use client::{CatalogClient, ClientError};
pub use product::{
    CatalogChange, Category, CategoryFacet, Facets, Image, ListItem, PriceFacet, PriceQuote, PriceQuotes, PricesRequest, Product,
    ProductOption, ProductPage, Variant, VariantOption, VariantStock,
};

/// Paths of the catalog, in the notation of the router. All but `PRICES` and `CHANGES` are public at an edge.
pub mod paths {
    /// `?q=&category=&min_price=&max_price=&sort=&limit=&cursor=`
    pub const PRODUCTS: &str = "/v1/products";
    /// By id or handle.
    pub const PRODUCT: &str = "/v1/products/{id_or_handle}";
    pub const CATEGORIES: &str = "/v1/categories";
    /// Pictures served by the catalog itself.
    pub const IMAGE: &str = "/images/{name}";
    /// `POST {"skus": [...]}` -> [`crate::PriceQuotes`]. Internal.
    pub const PRICES: &str = "/v1/prices";
    /// `?after=<sequence>`: newline-delimited [`crate::CatalogChange`], never ending. Internal.
    pub const CHANGES: &str = "/v1/changes";
}

/// SKUs of one price request: a cart's bound.
pub const MAX_PRICE_SKUS: usize = 256;

/// Tags of an answer for purging, separated by spaces: `product:<id>`, `category:<id>`, `listing`.
pub const SURROGATE_KEY_HEADER: &str = "surrogate-key";
