//! `chaos` as its users meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod controller;
mod kubernetes;
mod stand_in;
mod terminal;
