//! The edge in front of scripted services, and with a real inventory behind it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod caching;
mod conformance;
mod door;
mod filling;
mod forms;
mod https_origin;
mod inventory;
mod leader;
mod limits;
mod live_stock;
mod measured;
mod open_page;
mod openapi;
mod operate;
mod personal;
mod purging;
mod scripted;
mod second_tier;
mod shop;
mod smuggling;
mod stock_streams;
mod stopping;
mod tidy;
mod too_large;
mod upstreams;
mod whole_server;

use storefront_service::testing::eventually;
