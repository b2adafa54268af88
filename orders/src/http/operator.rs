//! Who may work on orders: whoever has the admin token.

use std::path::Path;

use anyhow::{Context, ensure};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha2::{Digest, Sha256};
use storefront_service::ProblemResponse;
use storefront_types::{Problem, ProblemType};
use subtle::ConstantTimeEq;

/// Shorter ones are guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// SHA-256 of the token; without one nobody gets in.
#[derive(Clone)]
pub(crate) struct AdminToken(Option<[u8; 32]>);

impl AdminToken {
    /// From the file, else from the environment's ADMIN_TOKEN.
    pub(crate) fn read(file: Option<&Path>) -> anyhow::Result<Self> {
        let (text, whence) = match file {
            Some(file) => {
                let text = std::fs::read_to_string(file).with_context(|| format!("--admin-token-file {}", file.display()))?;
                (text, "the file of --admin-token-file")
            }
            None => match std::env::var("ADMIN_TOKEN") {
                Ok(text) => (text, "ADMIN_TOKEN"),
                Err(_) => return Ok(Self(None)),
            },
        };
        let token = text.trim();
        ensure!(token.len() >= MIN_TOKEN_BYTES, "{whence} holds {} bytes; a token has at least {MIN_TOKEN_BYTES}", token.len());
        Ok(Self(Some(Sha256::digest(token).into())))
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.0 else {
            let detail = "this instance has no admin token; start it with --admin-token-file FILE or with ADMIN_TOKEN";
            return Err(Problem::new(ProblemType::Forbidden).detail(detail));
        };
        let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let said = said.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        match said.is_some_and(|(_, said)| bool::from(Sha256::digest(said.trim()).ct_eq(token))) {
            true => Ok(()),
            false => Err(Problem::new(ProblemType::Unauthenticated).detail("say Authorization: Bearer and the admin token")),
        }
    }
}

/// In front of every route of operators.
pub(super) async fn admitted(State(token): State<AdminToken>, request: Request, next: Next) -> Response {
    match token.admit(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => {
            let mut answer = ProblemResponse(problem).into_response();
            if answer.status() == StatusCode::UNAUTHORIZED {
                answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            answer
        }
    }
}
