//! Mutual TLS for the inventory: who somebody is, certificates from files that are looked at again, and connections both ways. Beside
//! it the certificate of a public port, from such files too.
//!
//! Owns: names in certificates, whom a port or a caller takes, reloading, what is said and counted when somebody is refused.
//! Must not: know HTTP beyond the connector of a client, or fall back to plaintext.

mod accept;
mod args;
mod client;
mod connect;
mod files;
mod follow;
mod identity;
mod name;
mod origin;
mod public;
mod refusal;
mod verify;
mod via;

pub use accept::{Accepted, Acceptor};
pub use args::{Given, InventoryTlsArgs, TlsArgs};
pub use client::{Failed, HttpClient};
pub use connect::{Connector, Stream};
pub use files::{TlsError, TlsPaths};
pub use identity::Tls;
pub use name::{NameError, PeerName, Role};
pub use public::PublicTls;
pub use verify::Wanted;
pub use via::Via;
