//! Request ids and W3C trace context: taken over or made at the door, in every log line, on every answer.

use std::{any::Any, future::Future, panic::AssertUnwindSafe, time::Instant};

use axum::{
    Router,
    extract::{FromRequestParts, MatchedPath, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request::Parts};
use storefront_types::{CallContext, ProblemType, RequestId, TraceParent};
use uuid::Uuid;

use crate::{ProblemResponse, deadline, request_metrics};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    /// Of the request that this task works for. Log lines take their ids from here, so that a request that logs nothing
    /// pays nothing for them, as it would for a span.
    static CURRENT: CallContext;
}

/// The context of the request that this task works for.
pub(crate) fn current() -> Option<CallContext> {
    CURRENT.try_with(CallContext::clone).ok()
}

/// Work for the same request in a task of its own: its log lines carry the request's ids, and it knows the deadline.
pub fn in_current_context<F: Future + Send>(work: F) -> impl Future<Output = F::Output> + Send {
    let (context, deadline) = (current(), deadline::current());
    async move {
        let work = deadline::within(deadline, work);
        match context {
            Some(context) => CURRENT.scope(context, work).await,
            None => work.await,
        }
    }
}

/// The context of the request at hand; a fresh one where [`with_request_context`] is not in front.
#[derive(Clone, Debug)]
pub struct Context(pub CallContext);

impl<S: Send + Sync> FromRequestParts<S> for Context {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let known = parts.extensions.get::<CallContext>().cloned();
        Ok(Self(known.unwrap_or_else(|| context_of(&parts.headers))))
    }
}

/// For loops and tools that no request started.
pub fn background_context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

/// Puts around every route: request id and trace context, the caller's deadline, request metrics by route, problem
/// documents for unknown paths and methods, and a problem document in place of a panic.
pub fn with_request_context(router: Router) -> Router {
    router
        .fallback(|| async { ProblemResponse::from(ProblemType::NotFound) })
        .method_not_allowed_fallback(|| async { ProblemResponse::from(ProblemType::MethodNotAllowed) })
        .layer(middleware::from_fn(observe))
}

/// The context that a request brings, completed with fresh ids.
pub fn context_of(headers: &HeaderMap) -> CallContext {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let request_id = RequestId::from_client(text(X_REQUEST_ID), Uuid::now_v7());
    let fresh = Uuid::new_v4();
    let parent = text(TRACEPARENT).and_then(|value| value.parse::<TraceParent>().ok());
    CallContext { request_id, trace: parent.map_or_else(|| TraceParent::root(fresh), |parent| parent.child(fresh)) }
}

async fn observe(mut request: Request, next: Next) -> Response {
    let context = context_of(request.headers());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let (method, left) = (request.method().clone(), deadline::asked(request.headers()));
    request.extensions_mut().insert(context.clone());
    let work = deadline::answered_in_time(left, method.clone(), next.run(request));
    observed(&method, route.as_ref().map_or("unmatched", MatchedPath::as_str), context, work).await
}

/// Does for the work of one request what [`with_request_context`] does around a router: its log lines carry the ids, a
/// panic becomes a problem document, the duration is counted, the answer carries the request id.
pub async fn observed(method: &Method, route: &str, context: CallContext, work: impl Future<Output = Response>) -> Response {
    let began = Instant::now();
    let request_id = HeaderValue::from_str(context.request_id.as_str());
    let work = async {
        let response = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| answer_panic(&panic));
        let (status, elapsed) = (response.status(), began.elapsed());
        log(method, route, status, elapsed.as_micros());
        request_metrics::record(method, route, status, elapsed);
        response
    };
    let mut response = CURRENT.scope(context, work).await;
    if let Ok(value) = request_id {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

fn log(method: &Method, route: &str, status: StatusCode, duration_us: u128) {
    // A shop's healthy traffic would drown its own log; metrics count it. RUST_LOG=storefront_service=debug shows each.
    match status.is_server_error() {
        true => tracing::warn!(%method, route, status = status.as_u16(), duration_us, "request failed"),
        false => tracing::debug!(%method, route, status = status.as_u16(), duration_us, "request"),
    }
}

fn answer_panic(panic: &Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("not a text"), "a request handler panicked");
    ProblemResponse::from(ProblemType::Internal).into_response()
}
