//! Passwordless registration.

use serde::{Deserialize, Serialize};
use storefront_types::ShopperId;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// `POST /v1/users/register`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    /// One address; compared without regard to case.
    pub email: String,
    /// E.164, e.g. `+4930123456`; spaces, dots, dashes and parentheses are ignored.
    pub phone_number: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct User {
    pub id: ShopperId,
    pub email: String,
    pub phone_number: String,
    #[serde(with = "time::serde::rfc3339")]
    #[schema(value_type = String, format = DateTime)]
    pub created_at: OffsetDateTime,
}

/// 201 for a new address, 200 for a known one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegisterResponse {
    pub user: User,
    /// `<home region>_<43 characters of base64url>`: 256 random bits behind the region that keeps the cart.
    pub session_token: String,
}
