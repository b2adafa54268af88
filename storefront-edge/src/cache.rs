//! Stored answers: in this process, bounded by bytes, purged by tag.

mod collapse;
mod store;

pub(crate) use collapse::Collapse;
pub(crate) use store::{Cache, MAX_ANSWER_BYTES, Stored};
