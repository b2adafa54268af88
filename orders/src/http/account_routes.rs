//! Registration.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::{HeaderMap, StatusCode};
use orders_api::{RegisterRequest, RegisterResponse};
use storefront_service::{ProblemResponse, StrictJson};

use super::{Shop, invalid, private, session::with_session, unavailable};
use crate::account::{AccountError, Email, PhoneNumber};

fn away(error: AccountError) -> ProblemResponse {
    tracing::warn!(%error, "a registration failed");
    unavailable("accounts cannot be written now")
}

/// A new account (201), or a session for a known address (200). A guest's cart comes along, also into the cart of a known account.
#[utoipa::path(post, path = orders_api::paths::REGISTER, request_body = RegisterRequest,
    responses((status = 201, body = RegisterResponse), (status = 200, body = RegisterResponse)))]
pub(super) async fn register(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    StrictJson(body): StrictJson<RegisterRequest>,
) -> Result<Response, ProblemResponse> {
    let email = Email::parse(&body.email).map_err(|reason| invalid("email", reason))?;
    let phone = PhoneNumber::parse(&body.phone_number).map_err(|reason| invalid("phone_number", reason))?;
    let guest = shop.session(&headers).await?;
    let (user, new) = shop.accounts.register(&email, &phone, guest).await.map_err(away)?;
    if let Some(guest) = guest.filter(|guest| guest.shopper != user.id)
        && shop.accounts.is_guest(guest.shopper).await.map_err(away)?
    {
        shop.carts.sign_in(guest.shopper, user.id).await?;
    }
    let (token, _) = shop.accounts.begin(Some(user.id)).await.map_err(away)?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    let body = RegisterResponse { user, session_token: token.as_str().to_owned() };
    Ok(with_session(private(status, &body), &token))
}
