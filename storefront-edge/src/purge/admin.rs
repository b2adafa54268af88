//! `POST /admin/v1/purge` of the admin port.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequest, Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use storefront_service::{ProblemResponse, StrictJson};
use storefront_types::{Problem, ProblemType, Region};

use super::{
    bus::{Bus, Told},
    order::{Order, Urls},
};

struct Admin {
    bus: Arc<Bus>,
    token: Option<blake3::Hash>,
    urls: Urls,
}

/// Without a token nobody may purge.
pub(super) fn router(bus: Arc<Bus>, token: Option<String>, urls: Urls) -> Router {
    let token = token.map(|token| blake3::hash(token.as_bytes()));
    Router::new().route("/admin/v1/purge", post(purge)).with_state(Arc::new(Admin { bus, token, urls }))
}

async fn purge(State(admin): State<Arc<Admin>>, request: Request) -> Result<Response, ProblemResponse> {
    if let Err(problem) = admin.admit(request.headers()) {
        let mut answer = ProblemResponse(problem).into_response();
        if answer.status() == StatusCode::UNAUTHORIZED {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        return Ok(answer);
    }
    let StrictJson(order) = StrictJson::<Order>::from_request(request, &()).await?;
    let told = admin.bus.publish(order.checked(&admin.bus.by, admin.urls)?).await;
    if !told.missed.is_empty() {
        return Err(not_everywhere(&told).into());
    }
    let status = if told.waiting.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(told)).into_response())
}

/// Nothing is lost by saying it again: what is purged twice is purged once.
fn not_everywhere(told: &Told) -> Problem {
    let names = |regions: &[Region]| regions.iter().map(Region::as_str).collect::<Vec<_>>().join(", ");
    let others = match told.taken.is_empty() {
        true => "this edge alone has done it".to_owned(),
        false => format!("this edge and {} have done it", names(&told.taken)),
    };
    let detail = format!(
        "{} could not be told, and no other region could keep the order: {others}. This edge goes on trying until it stops; \
         repeat the order until it is answered with 200 or 202",
        names(&told.missed)
    );
    Problem::new(ProblemType::Unavailable).detail(detail)
}

impl Admin {
    fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else {
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
