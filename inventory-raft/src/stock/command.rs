//! What goes into the log.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use storefront_types::{CommandId, LocationId, Quantity, ReservationId, Sku};

use crate::store::codec::{self, CodecError};

/// Milliseconds since the Unix epoch on the log's own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogTime(pub u64);

impl LogTime {
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }
}

/// One line of a reservation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub sku: Sku,
    pub quantity: Quantity,
    /// In order of preference; empty: any, in order of name.
    pub locations: Vec<LocationId>,
    pub may_split: bool,
}

/// A command, validated in form at the boundary. It is encoded with postcard in the log and between peers: the order of
/// variants and of their fields is frozen; new variants go to the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    Receive {
        id: CommandId,
        sku: Sku,
        location: LocationId,
        quantity: Quantity,
    },
    Adjust {
        id: CommandId,
        sku: Sku,
        location: LocationId,
        delta: i64,
    },
    Move {
        id: CommandId,
        sku: Sku,
        from: LocationId,
        to: LocationId,
        quantity: Quantity,
    },
    Reserve {
        id: ReservationId,
        lines: Vec<Line>,
        ttl_ms: u64,
        memo: Option<String>,
    },
    Purchase {
        id: ReservationId,
        lines: Vec<Line>,
        memo: Option<String>,
    },
    Confirm {
        id: ReservationId,
    },
    Release {
        id: ReservationId,
    },
    Extend {
        id: ReservationId,
        ttl_ms: u64,
    },
    Acknowledge {
        ids: Vec<ReservationId>,
    },
    /// Ends at most `limit` reservations whose time is over, oldest first.
    Expire {
        limit: u32,
    },
    /// Changes nothing; every node hashes its state here.
    Mark,
    /// Somebody counted: `on_hand` units lie there, where `expected` were on the books if given.
    Count {
        id: CommandId,
        sku: Sku,
        location: LocationId,
        expected: Option<u64>,
        on_hand: u64,
    },
}

/// What one log entry carries: commands in order, with the leader's time.
///
/// The commands stay encoded on their way through the log and to the peers; only `apply` decodes them, once on each node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub time: LogTime,
    commands: Bytes,
}

impl Entry {
    pub fn new(time: LogTime, commands: &[Command]) -> Self {
        Self { time, commands: codec::encode(&commands).into() }
    }

    /// Bytes that the commands take in the log.
    pub fn len(&self) -> usize {
        self.commands.len()
    }

    pub fn is_empty(&self) -> bool {
        self.commands.is_empty()
    }

    /// The commands in order.
    ///
    /// # Errors
    /// The entry was written by a newer release, or is damaged.
    pub fn decode(&self) -> Result<Vec<Command>, CodecError> {
        codec::decode(&self.commands)
    }
}
