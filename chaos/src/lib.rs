//! Shoppers as workload, faults, a record of what was seen, and the proof that both stores agree.
//!
//! Owns: what shoppers and clients do, what may be broken, what was heard, the checks over it, and the report. Must not: start a topology.

pub mod audit;
pub mod check;
pub mod drill;
pub mod experiment;
pub mod fault;
pub mod fuzz;
pub mod history;
pub mod kubernetes;
pub mod prove;
pub mod report;
pub mod run;
pub mod serve;
pub mod watch;
pub mod workload;
