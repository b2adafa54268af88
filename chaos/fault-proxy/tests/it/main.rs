//! The proxy as its callers, its servers and its controllers meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod control;
mod faults;
mod proxy;
