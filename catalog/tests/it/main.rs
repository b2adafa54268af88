//! The catalog as its users meet it: the binary imports into a real PostgreSQL, the server answers over HTTP.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod import;
mod openapi;
mod serving;
mod setup;
