//! The inventory cluster: a Raft-replicated stock ledger that cannot oversell.

pub mod stock;
mod store;
