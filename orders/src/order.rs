//! Orders in PostgreSQL.

mod batch;
mod recorder;
mod rows;
mod store;

pub(crate) use store::{OrderStore, Recorded};
