//! The JSON API: the catalog through the cache, `orders` passed on untouched.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use storefront_service::{Context, MAX_JSON_BODY_BYTES, ProblemResponse};
use storefront_types::{Problem, ProblemType};

use crate::{
    checkout,
    storefront::{Cached, Storefront},
    upstream::Answer,
};

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Longest wait for a request's body: 64 KiB come in a second over the slowest of connections.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Headers between our own services; a shopper must not see or set them.
const INTERNAL: [&str; 5] = ["surrogate-key", "inventory-leader", "inventory-term", "checkout-ticket", "session-home-region"];

pub(crate) fn path_and_query(request: &Request) -> String {
    request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned()
}

fn plain(answer: Answer) -> Response {
    let mut response = (answer.status, Body::from(answer.body)).into_response();
    *response.headers_mut() = answer.headers;
    for name in INTERNAL {
        response.headers_mut().remove(name);
    }
    // The context layer writes the request's own.
    response.headers_mut().remove("x-request-id");
    response
}

/// The answer with what the cache did, and a 304 when the client has it already (RFC 9110 section 13.1.2).
pub(crate) fn from_cache(cached: Cached, request: &HeaderMap, head: bool) -> Response {
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|list| list.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
    let etag = cached.answer.headers.get(header::ETAG).and_then(|etag| etag.to_str().ok());
    let unchanged = cached.answer.status == StatusCode::OK
        && etag.is_some_and(|etag| known.any(|tag| tag == etag.trim_start_matches("W/") || tag == "*"));
    let mut answer = cached.answer;
    if unchanged {
        answer.status = StatusCode::NOT_MODIFIED;
        answer.body = Bytes::new();
        answer.headers.remove(header::CONTENT_LENGTH);
        answer.headers.remove(header::CONTENT_TYPE);
    } else if head {
        answer.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(answer.body.len()));
        answer.body = Bytes::new();
    }
    let mut response = plain(answer);
    let headers = response.headers_mut();
    if let Ok(status) = HeaderValue::from_str(&format!("storefront; {}", cached.status)) {
        headers.insert(CACHE_STATUS, status);
    }
    if let Some(age_s) = cached.age_s {
        headers.insert(header::AGE, HeaderValue::from(age_s));
    }
    response
}

/// Products, categories, pictures.
pub(super) async fn catalog(State(shop): State<Arc<Storefront>>, Context(context): Context, request: Request) -> Response {
    let head = request.method() == Method::HEAD;
    match shop.fetch(&context, &path_and_query(&request), request.headers()).await {
        Ok(cached) => from_cache(cached, request.headers(), head),
        Err(problem) => ProblemResponse(problem).into_response(),
    }
}

/// Takes a body of bounded size.
pub(crate) async fn take_body(request: Request) -> Result<(http::request::Parts, Bytes), Response> {
    let (mut parts, body) = request.into_parts();
    for name in INTERNAL {
        parts.headers.remove(name);
    }
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_JSON_BODY_BYTES).collect()).await;
    let Ok(whole) = whole else {
        let problem = Problem::new(ProblemType::InvalidRequest).detail(format!("the body did not come within {BODY_TIMEOUT:?}"));
        return Err(ProblemResponse(problem).into_response());
    };
    match whole {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            let problem =
                Problem::new(ProblemType::BodyTooLarge).detail(format!("at most {MAX_JSON_BODY_BYTES} bytes are taken"));
            Err(ProblemResponse(problem).into_response())
        }
        Err(_) => {
            Err(ProblemResponse(Problem::new(ProblemType::InvalidRequest).detail("the body ended before its end"))
                .into_response())
        }
    }
}

/// Accounts, carts, history: at the shopper's home.
pub(super) async fn orders(State(shop): State<Arc<Storefront>>, Context(context): Context, request: Request) -> Response {
    let path = path_and_query(&request);
    let (parts, body) = match take_body(request).await {
        Ok(taken) => taken,
        Err(refused) => return refused,
    };
    match shop.at_home(&context, (parts.method, &path), &parts.headers, body).await {
        Ok(answer) => plain(answer),
        Err(problem) => ProblemResponse(problem).into_response(),
    }
}

pub(super) async fn checkout(State(shop): State<Arc<Storefront>>, Context(context): Context, request: Request) -> Response {
    let (parts, body) = match take_body(request).await {
        Ok(taken) => taken,
        Err(refused) => return refused,
    };
    match checkout::checkout(shop, context, parts.headers, body).await {
        Ok(answer) => plain(answer),
        Err(problem) => ProblemResponse(problem).into_response(),
    }
}
