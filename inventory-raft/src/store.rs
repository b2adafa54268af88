//! How the ledger lies on disk: keys, values, format version, sled, snapshot files.
//!
//! Owns: bytes. Must not: decide anything about stock.

pub(crate) mod codec;
pub(crate) mod format_version;
pub(crate) mod keys;
pub(crate) mod ledger_store;
