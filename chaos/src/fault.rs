//! Faults: what can be broken, at whom, whether it took effect, and how it heals.
//!
//! Owns: the names and parameters of faults and targets (pure), what each does to processes and links (pure), and carrying that out under a
//! lease, so that nothing stays broken when this program is gone. Must not: decide when, or what that means for a verdict.

mod admin;
mod doctor;
mod inject;
mod kind;
mod level;
mod partition;
mod plan;
mod probe;
mod proof;
mod snapshot;
mod target;

pub use admin::Admin;
pub use doctor::{Check, examine};
pub use inject::{Injected, Injector};
pub use kind::{CATALOG, Entry, Fault, FaultError, Needs, Parameter};
pub use partition::{Shape, ShapeError};
pub use plan::{Action, LinkCondition, PlanError, plan};
pub(crate) use probe::{Heard, probe};
pub use proof::Proof;
pub use snapshot::Snapshot;
pub use target::{Target, TargetError};
