//! `orders` as its users meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod openapi;
mod payment_crashes;
mod payments;
mod running;
mod tidy;
mod till;
