//! Who may do something at the admin port: whoever says the edge's admin token.
//!
//! It is said in `Authorization`, which no browser sends by itself: a page of another site cannot act in an operator's name.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};

/// The edge's admin token, where it has one.
pub(crate) struct Admission(Option<blake3::Hash>);

impl Admission {
    /// Without a token nobody is admitted.
    pub(crate) fn new(token: Option<&str>) -> Self {
        Self(token.map(|token| blake3::hash(token.as_bytes())))
    }

    /// The refusal, where there is one.
    pub(crate) fn refused(&self, headers: &HeaderMap) -> Option<Response> {
        let problem = self.admit(headers).err()?;
        let mut answer = ProblemResponse(problem).into_response();
        if answer.status() == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Some(answer)
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.0 else {
            let detail = "this edge has no admin token; start it with --admin-token-file FILE or with ADMIN_TOKEN";
            return Err(Problem::new(ProblemType::Forbidden).detail(detail));
        };
        let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let said = said.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        // Hashes are compared in constant time.
        match said.is_some_and(|(_, said)| blake3::hash(said.trim().as_bytes()) == *token) {
            true => Ok(()),
            false => {
                Err(Problem::new(ProblemType::Unauthenticated).detail("say Authorization: Bearer and the edge's admin token"))
            }
        }
    }
}
