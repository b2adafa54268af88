//! `orders` as its users meet it.

#![allow(clippy::unwrap_used, reason = "a failed expectation ends the test")]

mod cancelling;
mod captures;
mod database;
mod durability;
mod events;
mod following;
mod kafka;
mod life;
mod migrating;
mod openapi;
mod outbox_bounds;
mod parking;
mod partitions;
mod payment_crashes;
mod payments;
mod queries;
mod refunds;
mod replacing;
mod running;
mod sandbox;
mod schemas;
mod silence;
mod stripe;
mod stripe_server;
mod tidy;
mod till;
mod working;
