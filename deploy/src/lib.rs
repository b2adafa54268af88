//! The launcher behind `cargo deploy`: a whole topology as real processes on this machine.

pub mod bench;
mod build;
mod cargo;
mod certificates;
mod check;
mod cli;
mod commands;
mod control;
mod database;
mod detached;
mod fault_points;
mod guardian;
mod keeper;
mod links;
mod plan;
mod quorum;
mod readiness;
mod secrets;
mod seed;
mod show;
mod sqlx_prepare;
mod supervisor;
mod topology;

pub use build::Programs;
pub use cli::{Cli, run};
pub use plan::Place;
pub use seed::seed;
pub use supervisor::Supervisor;
pub use topology::{Payments, Spec, SpecError};
