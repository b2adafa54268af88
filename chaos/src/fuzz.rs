//! Schedules that nobody thought of, and the smallest that still fails.
//!
//! Owns: what is drawn, what counts as the same failure, how a failing schedule is made smaller, and what is told of all runs. Must not: break
//! anything; whoever runs a schedule is handed in.

mod candidate;
mod dial;
mod draw;
mod found;
mod search;
mod shrink;
mod tally;

pub use candidate::Candidate;
pub use draw::{DrawError, Drawn, pinned};
pub use found::Found;
pub use search::{Bounds, End, Progress, Shrunk, Trial, search};
pub use shrink::Shrinker;
pub use tally::{Row, Tally};
