//! Orders: accounts, carts, checkout, history, and the reconciler that finishes what a crash left.

mod account;
mod cart;
mod checkout;
mod config;
mod database;
mod fault;
mod follow;
mod http;
mod order;
mod outbox;
mod payment;
mod prices;
mod reconcile;
mod serve;
mod spare;
mod supervise;

pub use config::{Command, Config, Output, ReconcileArgs, ServeArgs};
pub use http::{admin_openapi, openapi};
pub use outbox::{EventArgs, KafkaSecurityArgs, OutboxArgs, event_schemas, outbox_tool};
pub use payment::{
    PaymentArgs, ProviderName,
    sandbox::{SandboxArgs, serve_sandbox},
};
pub use reconcile::run_once;
pub use serve::serve;
