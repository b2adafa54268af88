//! Payments: a port with three adapters, what PostgreSQL knows of each payment, and what brings them to rest.
//!
//! Owns: authorising, capturing, voiding and refunding, each once. Must not: decide whether an order is accepted, which the
//! inventory's log does.

mod args;
mod captures;
mod holds;
mod http;
mod none;
mod port;
mod rest;
pub(crate) mod sandbox;
mod settle;
mod signature;
mod store;
mod stripe;
mod webhook;

pub use args::{PaymentArgs, ProviderName};
pub(crate) use captures::{FIRST_LOOK, Retried};
pub(crate) use holds::Holds;
pub(crate) use port::{Authorisation, CALL, Captured, Charge, Found, PaymentError, PaymentState, Payments, Voided};
pub(crate) use rest::{Rest, Seen, run};
pub(crate) use settle::{Ending, judge_released};
#[cfg(test)]
pub(crate) use settle::{Standing, Verdict, judge, judge_taken};
pub(crate) use store::{PaymentStore, Recorded};
pub(crate) use webhook::{HookError, Webhooks};
