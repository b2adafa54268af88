//! Carts.

use serde::{Deserialize, Serialize};
use storefront_types::{Currency, Money, Quantity, Sku};
use utoipa::ToSchema;

/// Lines of a cart: 100 x about 100 bytes fit the 4 KiB memo only because it names SKU, quantity and price alone;
/// 50 lines x 80 bytes = 4,000 bytes.
pub const MAX_CART_LINES: usize = 50;

/// Units of one line.
pub const MAX_LINE_QUANTITY: u32 = 10_000;

/// `POST /v1/cart/add`: adds to what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartRequest {
    pub sku: Sku,
    pub quantity: Quantity,
}

/// `POST /v1/cart/update`: sets the quantity; 0 removes the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartUpdateRequest {
    pub sku: Sku,
    pub quantity: u32,
}

/// `POST /v1/cart/remove`. A quantity may be given as in the other calls; the whole line goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CartRemoveRequest {
    pub sku: Sku,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CartLine {
    pub sku: Sku,
    pub title: String,
    pub quantity: u32,
    pub unit_price: Money,
}

/// What is otherwise than when this cart was last shown, or than the shopper wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum CartChange {
    /// The line says the new price, which counts as shown from now on.
    PriceChanged { sku: Sku, title: String, from: Money, to: Money },
    /// As of a moment ago; a checkout of the whole line would be refused.
    FewerAvailable { sku: Sku, title: String, wanted: u32, available: u64 },
    /// The line is not among `lines`, and stands in the way of a checkout until it is removed.
    SoldNoMore { sku: Sku, quantity: u32 },
    /// There is no `total`, and no checkout: each currency must be bought apart.
    MixedCurrencies { currencies: Vec<Currency> },
}

/// `GET /v1/cart`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cart {
    pub lines: Vec<CartLine>,
    /// `null` for an empty cart.
    pub total: Option<Money>,
    /// Left out when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<CartChange>,
}
