//! Orders in PostgreSQL.

mod store;

pub(crate) use store::{OrderStore, Recorded};
