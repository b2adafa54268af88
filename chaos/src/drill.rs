//! Carrying an experiment out on a running topology: the gate, the load, the faults by schedule, the recovery, and the verdict.
//!
//! Owns: the order of all that, when it is given up, what a run leaves behind, and the drills that come with the program. Must not: know how a
//! fault is made or a history judged.

mod abort;
mod builtin;
mod direct;
mod judge;
mod marker;
mod record;
mod repeat;
mod stage;
mod steady;
mod whole;

pub(crate) use abort::violated_by;
pub use builtin::{DRILLS, Drill};
pub(crate) use direct::STEADY_AGAIN;
pub use marker::{Marker, MarkerError};
pub use record::Folder;
pub use repeat::{Repeats, summary};
pub use stage::{Event, Pace};
pub use whole::{Setting, run};
