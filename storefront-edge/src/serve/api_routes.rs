//! The JSON API: the catalog through the cache, `orders` passed on untouched.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use storefront_service::{Context, MAX_JSON_BODY_BYTES, ProblemResponse};
use storefront_types::{Problem, ProblemType};

use crate::{checkout, engine::Exchange, pages, storefront::Storefront, upstream::Answer};

/// Longest wait for a request's body: 64 KiB come in a second over the slowest of connections.
pub(super) const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Fields between our own services; a shopper must not see or set them.
pub(crate) const INTERNAL: [&str; 6] =
    ["surrogate-key", "inventory-leader", "inventory-term", "checkout-ticket", "cart-emptied", "session-home-region"];

pub(crate) fn path_and_query(request: &Request) -> String {
    request.uri().path_and_query().map_or("/", |whole| whole.as_str()).to_owned()
}

/// An answer of a service behind, without what is between us.
pub(crate) fn plain(answer: Answer) -> Response {
    let mut response = (answer.status, Body::from(answer.body)).into_response();
    *response.headers_mut() = answer.headers;
    for name in INTERNAL {
        response.headers_mut().remove(name);
    }
    // The context layer writes the request's own.
    response.headers_mut().remove("x-request-id");
    response
}

/// Products, categories, pictures.
pub(super) async fn catalog(State(shop): State<Arc<Storefront>>, Context(context): Context, request: Request) -> Response {
    let mut answer = shop.through_cache(&context, Exchange::new(request)).await.map(Body::from);
    // The context layer writes the request's own.
    answer.headers_mut().remove("x-request-id");
    answer
}

/// Takes a body of bounded size. Refused, it is said why.
pub(crate) async fn take_body(request: Request) -> Result<(http::request::Parts, Bytes), Problem> {
    let (mut parts, body) = request.into_parts();
    if pages::from_elsewhere(&parts.method, &parts.headers) {
        return Err(Problem::new(ProblemType::Forbidden).detail("another site's page sent this"));
    }
    for name in INTERNAL {
        parts.headers.remove(name);
    }
    let invalid = |detail: String| Problem::new(ProblemType::InvalidRequest).detail(detail);
    let whole = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, MAX_JSON_BODY_BYTES).collect()).await;
    let Ok(whole) = whole else { return Err(invalid(format!("the body did not come within {BODY_TIMEOUT:?}"))) };
    match whole {
        Ok(body) => Ok((parts, body.to_bytes())),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => {
            Err(Problem::new(ProblemType::BodyTooLarge).detail(format!("at most {MAX_JSON_BODY_BYTES} bytes are taken")))
        }
        Err(_) => Err(invalid("the body broke off, or is not what its framing says".to_owned())),
    }
}

/// Accounts, carts, history: at the shopper's home.
pub(super) async fn orders(State(shop): State<Arc<Storefront>>, Context(context): Context, request: Request) -> Response {
    let path = path_and_query(&request);
    let (parts, body) = match take_body(request).await {
        Ok(taken) => taken,
        Err(refused) => return ProblemResponse(refused).into_response(),
    };
    match shop.at_home(&context, (parts.method, &path), &parts.headers, body).await {
        Ok(answer) => plain(answer),
        Err(problem) => ProblemResponse(problem).into_response(),
    }
}

pub(super) async fn checkout(State(shop): State<Arc<Storefront>>, Context(context): Context, request: Request) -> Response {
    let (parts, body) = match take_body(request).await {
        Ok(taken) => taken,
        Err(refused) => return ProblemResponse(refused).into_response(),
    };
    match checkout::checkout(shop, context, parts.headers, body).await {
        Ok(answer) => plain(answer),
        Err(problem) => ProblemResponse(problem).into_response(),
    }
}
