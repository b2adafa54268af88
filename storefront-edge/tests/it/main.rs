//! The edge in front of a scripted catalog.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod caching;
mod openapi;
