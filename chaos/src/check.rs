//! Checks: pure functions from what was recorded to what is wrong, each difference named.

mod again;
mod balance;
mod conservation;
mod difference;
mod exactly_once;
mod linearizable;
mod merge;
mod no_lost_ack;
mod no_oversell;
mod orders;
mod recovered;
mod sale;
mod sold_out;
mod stale;
mod verdict;

pub use balance::{CONSERVATION, balance};
pub use conservation::{Books, SkuBook, conservation};
pub use difference::{Difference, Lines};
pub use exactly_once::{EXACTLY_ONCE, exactly_once};
pub use linearizable::{LINEARIZABLE, linearizable};
pub use merge::{merge, runs};
pub use no_lost_ack::{NO_LOST_ACK, no_lost_ack};
pub use no_oversell::{NO_OVERSELL, no_oversell};
pub use orders::{Promise, Record, compare, lines};
pub use recovered::{InTime, RECOVERED, Seen, recovered};
pub use sale::{Attempt, Heard, sale};
pub use sold_out::{SOLD_OUT, sold_out};
pub use stale::{BOUNDED_STALENESS, bounded_staleness};
pub use verdict::{MOST_VIOLATIONS, Outcome, Verdict, Violation};
