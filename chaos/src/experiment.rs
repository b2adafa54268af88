//! Experiments: what is broken when, how that is proved, when it is given up, and what is expected.
//!
//! Owns: the form of the files, what they mean, and what is wrong with one, by file and line. Must not: break anything, or judge a run.

mod bound;
mod draw;
mod explain;
mod file;
mod model;
mod schema;
mod time;
mod write;
mod wrong;

pub use bound::BoundError;
pub use draw::draw;
pub use explain::{explain_experiment, explain_fault};
pub use file::{parse, read};
pub use model::{Abort, AbortWhen, Expect, Experiment, Invariant, LONGEST_RUN, Load, Pick, Random, Sale, Steady, Step};
pub use schema::schema;
pub use time::{TimeError, show, time};
pub use wrong::Wrong;
