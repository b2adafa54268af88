//! Carts.

use serde::{Deserialize, Serialize};
use storefront_types::{Money, Quantity, Sku};
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

/// `GET /v1/cart`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cart {
    pub lines: Vec<CartLine>,
    /// `null` for an empty cart.
    pub total: Option<Money>,
}
