//! Payments as operators see them.

use serde::{Deserialize, Serialize};
use storefront_types::{Money, OrderId};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Where the payment of a recorded order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentPhase {
    /// The money is set aside and not taken yet; it is tried again and again.
    Authorised,
    Captured,
    /// The order was called off before its money was taken.
    Voided,
    /// Tried for a week, or the provider will never give it: an operator decides.
    Failed,
}

impl PaymentPhase {
    pub const ALL: [Self; 4] = [Self::Authorised, Self::Captured, Self::Voided, Self::Failed];

    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Authorised => "authorised",
            Self::Captured => "captured",
            Self::Voided => "voided",
            Self::Failed => "failed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.as_str() == text)
    }
}

/// One row of `GET /admin/v1/payments?state=&limit=&cursor=`, oldest first, and the answer of `POST /admin/v1/payments/{id}/retry`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentSummary {
    pub order_id: OrderId,
    pub provider: String,
    /// The provider's own name for it, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    pub state: PaymentPhase,
    pub amount: Money,
    /// Attempts at the capture, without the checkout's own.
    pub attempts: i32,
    /// What the last of them came to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub recorded_at: OffsetDateTime,
    /// When it is tried again.
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub due_at: OffsetDateTime,
}
