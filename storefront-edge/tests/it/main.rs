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

use std::time::{Duration, Instant};

/// Asks until the answer is there or the deadline over.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
