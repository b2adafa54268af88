//! `POST /admin/v1/purge` of the admin port.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequest, Request, State},
    response::{IntoResponse, Response},
    routing::post,
};
use http::StatusCode;
use storefront_service::{ProblemResponse, StrictJson};
use storefront_types::{Problem, ProblemType, Region};

use super::{
    bus::{Bus, Told},
    order::{Order, Urls},
};
use crate::admission::Admission;

struct Admin {
    bus: Arc<Bus>,
    admission: Admission,
    urls: Urls,
}

/// Without a token nobody may purge.
pub(super) fn router(bus: Arc<Bus>, token: Option<String>, urls: Urls) -> Router {
    let admission = Admission::new(token.as_deref());
    Router::new().route("/admin/v1/purge", post(purge)).with_state(Arc::new(Admin { bus, admission, urls }))
}

async fn purge(State(admin): State<Arc<Admin>>, request: Request) -> Result<Response, ProblemResponse> {
    if let Some(refused) = admin.admission.refused(request.headers()) {
        return Ok(refused);
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
