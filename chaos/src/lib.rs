//! Shoppers as workload, and the proof that both stores agree.
//!
//! Owns: what a shopper does, what was heard, and the checks over it. Must not: start or stop processes.

pub mod audit;
pub mod check;
pub mod workload;
