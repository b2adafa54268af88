//! Problem documents as answers.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use storefront_types::{Problem, ProblemType};

/// Seconds a client should wait after 429 or 503: about one leader election and the queue's drain.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");

/// Answers with `application/problem+json` and the problem's status; 429 and 503 carry `Retry-After`.
#[derive(Clone, Debug)]
pub struct ProblemResponse(pub Problem);

impl From<Problem> for ProblemResponse {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl From<ProblemType> for ProblemResponse {
    fn from(kind: ProblemType) -> Self {
        Self(Problem::new(kind))
    }
}

impl IntoResponse for ProblemResponse {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, RETRY_AFTER_S);
        }
        response
    }
}
