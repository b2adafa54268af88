//! What a shared cache may do (RFC 9111, RFC 5861). Pure: the clock comes in with the request.
//!
//! Owns: every decision about storing and reusing an answer, each with a named reason. Must not: do I/O, keep anything, know where
//! answers are stored.

mod decision;
mod directives;
mod freshness;

pub(crate) use decision::{Decision, Fetch, NotStored, decide, storable};
pub(crate) use freshness::Lifetime;
