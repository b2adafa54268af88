//! Tests of the inventory: the ledger against a naive model, and real three-process clusters.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod bad_input;
mod briefs;
mod cluster;
mod durability;
mod failover;
mod golden;
mod identities;
mod ledger;
mod ledger_pages;
mod limits;
mod movements;
mod openapi;
mod tidy;
mod tls;
mod tls_reload;
mod watch;
