//! A TCP proxy that makes links between processes bad: one listener for each directed link, faults set while it runs.
//!
//! Owns: what may be wrong with a link, when a byte may leave under it, leases by which faults end by themselves, and the port by which all
//! that is asked for. Must not: know what the bytes mean, or lose, repeat or reorder any of a connection that it does not end.

mod client;
mod condition;
mod connection;
mod control;
mod lease;
mod link;
mod pump;
mod schedule;
mod serve;
mod wire;

pub use client::{ProxyClient, ProxyError};
pub use condition::{Condition, ConditionError, MAX_DELAY, Way};
pub use lease::{Full, Leases, MAX_FAULTS};
pub use serve::{Args, Links, Refused, run};
pub use wire::{Fault, FaultView, LinkSpec, LinkView, MAX_LEASE, Renewal};
