//! What is said on the control port.

use std::{net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::condition::Condition;

/// Longest lease: so long after the last word of whoever asked for it, a fault is gone.
pub const MAX_LEASE: Duration = Duration::from_secs(60);

/// A link as the proxy is told of it at its start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkSpec {
    /// `FROM>TO`, with the purpose behind it where there are several.
    pub name: String,
    pub from: String,
    pub to: String,
    /// Where the caller connects.
    pub listen: SocketAddr,
    /// Where the called one listens.
    pub target: SocketAddr,
    /// How the link is without faults: its length.
    #[serde(default)]
    pub base: Condition,
}

/// `GET /v1/links`: an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    pub name: String,
    pub from: String,
    pub to: String,
    pub listen: SocketAddr,
    pub target: SocketAddr,
    /// Without faults.
    pub base: Condition,
    /// With all faults that there are now.
    pub now: Condition,
    /// Names of these faults.
    pub faults: Vec<String>,
    pub open_connections: u64,
    pub accepted_connections: u64,
    /// Connections that faults of this link ended.
    pub reset_connections: u64,
    pub forward_bytes: u64,
    pub backward_bytes: u64,
    /// Times that bytes had to wait for the line.
    pub throttled: u64,
}

/// `PUT /v1/faults/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Names of links.
    pub links: Vec<String>,
    pub condition: Condition,
    /// It heals so long after it was set or renewed.
    pub lease_ms: u64,
}

/// `POST /v1/faults/{id}/renew`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    pub lease_ms: u64,
}

/// `GET /v1/faults`: an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    pub id: String,
    pub links: Vec<String>,
    pub condition: Condition,
    /// Until it heals by itself.
    pub left_ms: u64,
}

/// A list in an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
}
