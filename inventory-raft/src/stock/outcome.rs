//! What became of a command.

use serde::{Deserialize, Serialize};
use storefront_types::Sku;

use super::{LogTime, reservation::Allocated};

/// The order of variants is frozen: codes stand in remembered outcomes on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Code {
    Ok,
    InsufficientStock,
    UnknownSku,
    UnknownLocation,
    NotFound,
    Expired,
    AlreadyConfirmed,
    AlreadyReleased,
    ConflictingDuplicate,
    IdTooOld,
    IdFromFuture,
    Overflow,
    /// The stock is not what the count was made against.
    StaleCount,
}

impl Code {
    /// As metrics and the API write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::InsufficientStock => "insufficient_stock",
            Self::UnknownSku => "unknown_sku",
            Self::UnknownLocation => "unknown_location",
            Self::NotFound => "not_found",
            Self::Expired => "expired",
            Self::AlreadyConfirmed => "already_confirmed",
            Self::AlreadyReleased => "already_released",
            Self::ConflictingDuplicate => "conflicting_duplicate",
            Self::IdTooOld => "id_too_old",
            Self::IdFromFuture => "id_from_future",
            Self::Overflow => "overflow",
            Self::StaleCount => "stale_count",
        }
    }
}

/// One SKU of an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeLine {
    pub sku: Sku,
    /// After the command; on a refusal as it was looked at; 0 for an unknown SKU.
    pub version: u64,
    pub allocations: Box<[Allocated]>,
    /// On a shortage: units asked for and units that could have been given. Boxed: millions of outcomes are remembered, few
    /// have one.
    pub shortage: Option<Box<(u64, u64)>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub code: Code,
    pub lines: Vec<OutcomeLine>,
    pub expires_at: Option<LogTime>,
    /// The command had been decided before; this is the first answer again.
    pub replayed: bool,
}

impl Outcome {
    pub(crate) fn of(code: Code) -> Self {
        Self { code, lines: Vec::new(), expires_at: None, replayed: false }
    }

    pub(crate) fn with_lines(code: Code, lines: Vec<OutcomeLine>) -> Self {
        Self { lines, ..Self::of(code) }
    }

    pub(crate) fn replay(self) -> Self {
        Self { replayed: true, ..self }
    }
}
