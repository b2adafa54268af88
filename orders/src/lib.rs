//! Orders: accounts, carts, checkout, history, and the reconciler that finishes what a crash left.

mod account;
mod cart;
mod checkout;
mod config;
mod database;
mod http;
mod order;
mod outbox;
mod reconcile;
mod serve;
mod spare;

pub use config::{Command, Config, ReconcileArgs, ServeArgs};
pub use http::openapi;
pub use reconcile::run_once;
pub use serve::serve;
