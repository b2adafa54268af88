//! The policy from outside.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod corpus;
#[allow(unreachable_pub, reason = "the fuzz target's own file, where it is public")]
#[path = "../../../fuzz/src/heads.rs"]
mod heads;
mod tidy;
