//! What every process of the storefront has around its own work: JSON logs, request ids and trace context, problem
//! documents, strict and bounded request bodies, an admin port, readiness, and a drain that ends.
//!
//! Owns: nothing of a shop. Must not: know any service, or keep state between requests.

mod admin;
mod connections;
mod context;
mod deadline;
mod json;
mod listen;
mod logging;
mod problem;
mod query;
mod readiness;
mod request_metrics;
mod shutdown;
pub mod testing;

pub use admin::install_metrics;
pub use connections::{Door, HttpService, routed, serve_connections};
pub use context::{Context, background_context, context_of, in_current_context, observed, with_request_context};
pub use deadline::{DEADLINE_HEADER, time_left};
pub use json::{MAX_JSON_BODY_BYTES, StrictJson, is_json, parse_json};
pub use listen::{DRAIN_LIMIT, ListenArgs, Listeners, beside_admin, beside_admin_with, serve, serve_behind, shared_listener};
pub use logging::init_logging;
pub use problem::ProblemResponse;
pub use query::StrictQuery;
pub use readiness::Readiness;
pub use shutdown::shutdown_on_signal;
