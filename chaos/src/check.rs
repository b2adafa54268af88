//! Checks: pure functions from what was recorded to what is wrong, each difference named.

mod conservation;
mod sale;

pub use conservation::{Books, SkuBook, conservation};
pub use sale::{Attempt, Heard, sale};
