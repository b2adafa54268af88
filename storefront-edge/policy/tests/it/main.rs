//! The policy from outside.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod corpus;
#[path = "../../../fuzz/src/heads.rs"]
mod heads;
mod tidy;
