//! Shoppers as workload, a record of what they saw, and the proof that both stores agree.
//!
//! Owns: what shoppers and clients do, what was heard, the checks over it, and the report. Must not: start or stop processes.

pub mod audit;
pub mod check;
pub mod history;
pub mod prove;
pub mod report;
pub mod run;
pub mod workload;
