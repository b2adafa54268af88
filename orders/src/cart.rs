//! Carts: PostgreSQL tells, Redis stands by.
//!
//! A cart has a version that counts up with each change, and is changed only by who knows the last one. A change is in PostgreSQL before it is
//! acknowledged, many in one SQL commit, and copied to the region's Redis. With PostgreSQL away it is kept in Redis and in this process, with the
//! cart that it goes on from, and written behind: what was done there is done to whatever the record says by then (`unite`), once.
//! docs/carts.md says what survives what.

mod behind;
mod lines;
mod look;
mod prices;
mod record;
mod region;
mod sign_in;
mod store;
mod sweep;
mod unite;

pub(crate) use lines::{ChangeError, MAX_BOUGHT, Stored, StoredLine};
pub(crate) use prices::Prices;
pub(crate) use store::{CartError, Carts, Seen};
pub(crate) use sweep::Sweep;
