//! `orders` as its users meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod cancelling;
mod events;
mod following;
mod kafka;
mod life;
mod openapi;
mod parking;
mod payment_crashes;
mod payments;
mod refunds;
#[allow(dead_code, reason = "each topic uses a part of it")]
mod running;
mod stripe;
mod stripe_server;
mod schemas;
mod tidy;
mod till;
