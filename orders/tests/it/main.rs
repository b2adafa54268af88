//! `orders` as its users meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod openapi;
mod payment_crashes;
mod payments;
#[allow(dead_code, reason = "each topic uses a part of it")]
mod running;
mod stripe;
mod stripe_server;
mod tidy;
mod till;
