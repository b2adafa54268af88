//! The whole system as its users meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod bad_input;
mod bench;
mod books;
mod carts;
mod drills;
mod faults;
mod flash_sale;
mod fuzz;
mod ha;
mod launcher;
mod links;
mod payments;
mod proved;
mod public_api;
mod races;
mod reconcile;
mod refused;
mod region_outage;
mod running;
mod shop;
mod tidy;
mod watching;
