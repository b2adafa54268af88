//! The whole system as its users meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod bench;
mod flash_sale;
mod launcher;
mod payments;
mod public_api;
mod running;
mod tidy;
