//! Request ids and W3C trace context: taken over or made at the door, in every log line, on every answer.

use std::{any::Any, panic::AssertUnwindSafe, time::Instant};

use axum::{
    Router,
    extract::{FromRequestParts, MatchedPath, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts};
use storefront_types::{CallContext, ProblemType, RequestId, TraceParent};
use tracing::Instrument;
use uuid::Uuid;

use crate::ProblemResponse;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The context of the request at hand; a fresh one where [`with_request_context`] is not in front.
#[derive(Clone, Debug)]
pub struct Context(pub CallContext);

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<CallContext>().cloned();
        Ok(Self(known.unwrap_or_else(|| from_headers(&parts.headers))))
    }
}

/// For loops and tools that no request started.
pub fn background_context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

/// Puts around every route: request id and trace context, one span a request, request metrics by route, problem
/// documents for unknown paths and methods, and a problem document in place of a panic.
pub fn with_request_context(router: Router) -> Router {
    router
        .fallback(|| async { ProblemResponse::from(ProblemType::NotFound) })
        .method_not_allowed_fallback(|| async { ProblemResponse::from(ProblemType::MethodNotAllowed) })
        .layer(middleware::from_fn(observe))
}

fn from_headers(headers: &HeaderMap) -> CallContext {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let request_id = RequestId::from_client(text(X_REQUEST_ID), Uuid::now_v7());
    let fresh = Uuid::new_v4();
    let parent = text(TRACEPARENT).and_then(|value| value.parse::<TraceParent>().ok());
    CallContext { request_id, trace: parent.map_or_else(|| TraceParent::root(fresh), |parent| parent.child(fresh)) }
}

async fn observe(mut request: Request, next: Next) -> Response {
    let context = from_headers(request.headers());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", |path| path.as_str()).to_owned();
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request", request_id = %context.request_id, trace_id = %context.trace.trace_id(), %method, route,
    );
    request.extensions_mut().insert(context.clone());
    let began = Instant::now();
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = answered.instrument(span.clone()).await.unwrap_or_else(|panic| span.in_scope(|| answer_panic(&panic)));
    let (status, elapsed) = (response.status(), began.elapsed());
    span.in_scope(|| log(status, elapsed.as_micros()));
    let labels = [("method", method.to_string()), ("route", route), ("status", status.as_u16().to_string())];
    metrics::histogram!("http_request_duration_seconds", &labels).record(elapsed);
    if let Ok(value) = HeaderValue::from_str(context.request_id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

fn log(status: StatusCode, duration_us: u128) {
    // A shop's healthy traffic would drown its own log; metrics count it. RUST_LOG=storefront_service=debug shows each.
    match status.is_server_error() {
        true => tracing::warn!(status = status.as_u16(), duration_us, "request failed"),
        false => tracing::debug!(status = status.as_u16(), duration_us, "request"),
    }
}

fn answer_panic(panic: &Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("not a text"), "a request handler panicked");
    ProblemResponse::from(ProblemType::Internal).into_response()
}
