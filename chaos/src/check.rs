//! Checks: pure functions from what was recorded to what is wrong, each difference named.

mod conservation;
mod difference;
mod merge;
mod orders;
mod sale;

pub use conservation::{Books, SkuBook, conservation};
pub use difference::{Difference, Lines};
pub use merge::merge;
pub use orders::{Promise, Record, compare, lines};
pub use sale::{Attempt, Heard, sale};
