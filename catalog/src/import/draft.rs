//! A product as an export describes it.

use catalog_api::{Image, ProductOption, VariantOption};
use serde::{Deserialize, Serialize};
use storefront_types::{Money, Sku};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Draft {
    pub(crate) handle: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) vendor: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) options: Vec<ProductOption>,
    pub(crate) images: Vec<Image>,
    pub(crate) variants: Vec<DraftVariant>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DraftVariant {
    pub(crate) sku: Sku,
    pub(crate) title: String,
    pub(crate) options: Vec<VariantOption>,
    pub(crate) price: Money,
    pub(crate) compare_at_price: Option<Money>,
    pub(crate) image: Option<Image>,
    /// What the export says is in stock. Not a part of the product: the inventory counts.
    #[serde(skip)]
    pub(crate) quantity: u32,
}

impl Draft {
    /// Equal for equal content, so that a second import of the same file changes nothing.
    pub(crate) fn content_hash(&self) -> [u8; 32] {
        // Plain data; it always serialises.
        *blake3::hash(&serde_json::to_vec(self).unwrap_or_default()).as_bytes()
    }
}
