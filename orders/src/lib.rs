//! Orders: accounts, carts, checkout, history, and the reconciler that finishes what a crash left.

mod account;
mod cart;
mod checkout;
mod config;
mod database;
mod fault;
mod http;
mod order;
mod outbox;
mod payment;
mod reconcile;
mod serve;
mod spare;

pub use config::{Command, Config, ReconcileArgs, ServeArgs};
pub use http::openapi;
pub use payment::{
    PaymentArgs, ProviderName,
    sandbox::{SandboxArgs, serve_sandbox},
};
pub use reconcile::run_once;
pub use serve::serve;
