//! Query strings whose errors name the parameter.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;
use storefront_types::{Problem, ProblemType};

use crate::ProblemResponse;

/// Longest query string in bytes: every documented parameter at its bound fits several times.
const MAX_QUERY_BYTES: usize = 2 * 1024;

/// A parsed query string; an unknown (where the type denies them) or malformed parameter is 400 and named.
#[derive(Clone, Debug)]
pub struct StrictQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = ProblemResponse;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let query = parts.uri.query().unwrap_or_default();
        if query.len() > MAX_QUERY_BYTES {
            let detail = format!("a query string has at most {MAX_QUERY_BYTES} bytes");
            return Err(Problem::new(ProblemType::InvalidRequest).detail(detail).into());
        }
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let path = error.path().to_string();
            let reason = error.into_inner().to_string();
            let quoted = reason.split('`').nth(1).filter(|_| path == ".");
            let name = quoted.map_or(path, str::to_owned);
            Problem::new(ProblemType::InvalidRequest).detail(format!("{name}: {reason}")).invalid_param(name, reason).into()
        })
    }
}
