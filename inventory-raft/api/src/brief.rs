//! Reservations in short, for who reads all of them.

use serde::{Deserialize, Serialize};
use storefront_types::{ReservationId, Sku};
use utoipa::ToSchema;

use crate::query::ReservationState;

/// Briefs of one page: 2,000 x about 200 bytes are 400 KB, and some 2 ms during which nothing is applied.
pub const MAX_BRIEFS: u32 = 2_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LineBrief {
    pub sku: Sku,
    pub quantity: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationBrief {
    pub id: ReservationId,
    pub state: ReservationState,
    pub lines: Vec<LineBrief>,
    /// Milliseconds of the log's clock; absent if it was never confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at_ms: Option<u64>,
    /// Of a held one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// `GET /v1/reservation-briefs?limit=&cursor=`: every reservation that is remembered, in order of id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReservationBriefs {
    pub items: Vec<ReservationBrief>,
    pub next_cursor: Option<String>,
    /// The log's clock when the page was read, in milliseconds since 1970.
    pub clock_ms: u64,
}
