//! Stored answers: in this process, bounded by bytes, purged by tag or target.
//!
//! Owns: what is kept, for how long a place is held, what was purged. Must not: decide whether an answer may be kept or used; that is
//! `http-cache-policy`.

mod clock;
mod collapse;
mod key;
mod purges;
mod shelf;
mod stored;

pub(crate) use clock::Clock;
pub(crate) use collapse::{Collapse, Ended, Turn, Waited};
pub(crate) use key::{Key, KeyRef};
pub(crate) use purges::{Purged, Purges, Tag};
pub(crate) use shelf::{Found, Shelf};
pub(crate) use stored::{Coded, Form, Stored, written};
