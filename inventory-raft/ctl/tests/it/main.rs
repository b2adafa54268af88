//! `inventoryctl` against real nodes, as an operator types it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod operators;
mod process;
mod tls;
