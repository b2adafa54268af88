//! Whose request it is: `Authorization: Bearer` or the `session` cookie.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use orders_api::SESSION_COOKIE;
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};

use super::{Shop, unavailable};
use crate::account::{Session, SessionToken};

/// For clients without cookies: the token of a session that this answer began.
const SESSION_TOKEN: HeaderName = HeaderName::from_static("session-token");

/// Browsers keep the cookie as long as the session lives.
const COOKIE_ATTRIBUTES: &str = "; Path=/; HttpOnly; SameSite=Lax; Max-Age=2592000";

fn token(headers: &HeaderMap) -> Option<SessionToken> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    if let Some((_, token)) = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        return SessionToken::parse(token.trim());
    }
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == SESSION_COOKIE).and_then(|(_, value)| SessionToken::parse(value))
}

impl Shop {
    /// The session of a request, if it names a live one.
    pub(super) async fn session(&self, headers: &HeaderMap) -> Result<Option<Session>, ProblemResponse> {
        let Some(token) = token(headers) else { return Ok(None) };
        self.accounts.find(&token).await.map_err(|error| {
            tracing::warn!(%error, "a session cannot be looked up");
            unavailable("sessions cannot be looked up now")
        })
    }

    /// The session of a request, or a problem that says to begin one.
    pub(super) async fn known_session(&self, headers: &HeaderMap) -> Result<Session, ProblemResponse> {
        let detail = "register, or put something into a cart, and send the session along";
        let missing = || Problem::new(ProblemType::Unauthenticated).detail(detail).into();
        self.session(headers).await?.ok_or_else(missing)
    }

    /// A new guest's session.
    pub(super) async fn guest(&self) -> Result<(SessionToken, Session), ProblemResponse> {
        self.accounts.begin(None).await.map_err(|error| {
            tracing::warn!(%error, "a guest's session cannot begin");
            unavailable("sessions cannot begin now")
        })
    }
}

/// Tells the client its new session.
pub(super) fn with_session(mut response: Response, token: &SessionToken) -> Response {
    let cookie = format!("{SESSION_COOKIE}={}{COOKIE_ATTRIBUTES}", token.as_str());
    for (name, text) in [(header::SET_COOKIE, cookie.as_str()), (SESSION_TOKEN, token.as_str())] {
        if let Ok(value) = HeaderValue::from_str(text) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
