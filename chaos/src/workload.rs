//! Load on a running topology, and the record of what came of it.
//!
//! Owns: who comes when and does what, and what is noted down. Must not: judge it.

mod arrivals;
mod catalogue;
mod crew;
mod deal;
mod drive;
mod ending;
mod latencies;
mod meter;
mod probe;
mod sale;
mod shopper;
mod stocking;
mod visit;
mod watch;

pub use arrivals::offer;
pub use crew::OWN_SKUS;
pub use drive::{Besides, Driven, Plan, drive, drive_with};
pub use meter::{Meter, Summary};
pub use sale::Sale;
pub use shopper::{Heard, Shopper, ShopperError};
