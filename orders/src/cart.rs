//! Carts: Redis in front, PostgreSQL behind.
//!
//! A cart has a version that counts up with each change; in PostgreSQL the higher version wins. In normal operation a change goes to PostgreSQL, then
//! to Redis, and a read is answered by Redis. PostgreSQL away: Redis alone, and the change waits in a dirty list that is written behind. Redis
//! away: PostgreSQL alone. A Redis that missed a write must not answer later with an old cart, so its keys carry an epoch of this process, and any
//! failed write begins a new one: whatever Redis still has from before is never read again.

mod lines;
mod prices;
mod store;

pub(crate) use lines::{ChangeError, Stored, StoredLine};
pub(crate) use prices::Prices;
pub(crate) use store::{CartError, Carts};
