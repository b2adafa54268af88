//! The way of the busiest requests: single purchases and holds, and the read of one SKU.
//!
//! They take the same handlers, refusals, metrics and log lines as through the router; only the router's own work is left out, which
//! for them is most of what a request costs. Whatever is not plainly one of them goes to the router.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc};

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response, header, request::Parts};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, service::Service};
use inventory_api::{CommandRequest, paths};
use serde::de::DeserializeOwned;
use storefront_service::{HttpService, context_of, is_json, observed, parse_json, routed};
use storefront_types::Sku;

use super::{
    Api,
    command_routes::{self, MAX_COMMAND_BODY_BYTES},
    query_routes,
};

/// The inventory's service: the short way, and the router behind it.
pub(crate) fn service(api: Arc<Api>) -> impl HttpService {
    Front { router: routed(super::router(api.clone())), api }
}

#[derive(Clone)]
struct Front<R> {
    api: Arc<Api>,
    router: R,
}

/// A request that can take the short way.
enum Short {
    Purchase,
    Reserve,
    Stock(Sku),
}

impl Short {
    fn of(request: &Request<Incoming>) -> Option<Self> {
        let uri = request.uri();
        match (request.method(), uri.path()) {
            (&Method::POST, paths::PURCHASES) if has_plain_body(request.headers()) => Some(Self::Purchase),
            (&Method::POST, paths::RESERVATIONS) if has_plain_body(request.headers()) => Some(Self::Reserve),
            (&Method::GET, path) if uri.query().is_none() => {
                // A name with an escape in it contains '%', which no SKU does, and takes the long way.
                let name = path.strip_prefix("/v1/stock/")?;
                Sku::parse(name).ok().map(Self::Stock)
            }
            _ => None,
        }
    }
}

/// JSON of a length that is told and allowed.
fn has_plain_body(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    text(header::CONTENT_TYPE).is_some_and(is_json) && length.is_some_and(|length| length <= MAX_COMMAND_BODY_BYTES)
}

type Answered = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

impl<R: HttpService> Service<Request<Incoming>> for Front<R> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answered;

    fn call(&self, request: Request<Incoming>) -> Answered {
        let Some(short) = Short::of(&request) else { return Box::pin(self.router.call(request)) };
        let api = self.api.clone();
        let (head, body) = request.into_parts();
        Box::pin(async move { Ok(answer(api, short, head, body).await) })
    }
}

async fn answer(api: Arc<Api>, short: Short, head: Parts, body: Incoming) -> Response<Body> {
    let context = context_of(&head.headers);
    match short {
        Short::Purchase => {
            let work = command(&api, body, CommandRequest::Purchase);
            observed(&head.method, paths::PURCHASES, context, work).await
        }
        Short::Reserve => {
            let work = command(&api, body, CommandRequest::Reserve);
            observed(&head.method, paths::RESERVATIONS, context, work).await
        }
        Short::Stock(sku) => {
            let work = async { query_routes::linearizable_stock(&api, &sku).await.unwrap_or_else(|refusal| refusal) };
            observed(&head.method, paths::STOCK, context, work).await
        }
    }
}

async fn command<T: DeserializeOwned>(api: &Api, body: Incoming, of: fn(T) -> CommandRequest) -> Response<Body> {
    use axum::response::IntoResponse;
    let Ok(body) = Limited::new(body, MAX_COMMAND_BODY_BYTES).collect().await else {
        return command_routes::cut_off().into_response();
    };
    let answered = match parse_json(&body.to_bytes()) {
        Ok(request) => api.run(http::StatusCode::CREATED, of(request)).await,
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}
