//! Shoppers over the public API of edges.

mod shopper;

pub use shopper::{Shopper, ShopperError};
