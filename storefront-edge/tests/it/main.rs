//! The edge in front of scripted services.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod caching;
mod conformance;
mod door;
mod leader;
mod limits;
mod openapi;
mod overload;
mod personal;
mod scripted;
mod smuggling;
mod tidy;
mod upstreams;
