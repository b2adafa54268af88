//! What a running topology looks like from outside, once a second: who is there, who leads, how far behind, how much is served.
//!
//! Owns: asking every process, each with a deadline of its own; what the answers come to (pure); how that is drawn (pure). Must not: change
//! anything that it looks at, or wait for one that does not answer.

mod collect;
mod frame;
mod metrics;
mod picture;
mod reading;

pub(crate) use collect::metrics;
pub use collect::{Collector, PERIOD};
pub use frame::{Screen, plain};
pub(crate) use metrics::whole;
pub use metrics::{MetricsError, Samples};
pub use picture::{FaultNow, Node, Picture, Presence, Served, Service, Shop};
pub use reading::{Reading, Said};
