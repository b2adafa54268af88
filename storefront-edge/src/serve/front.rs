//! What is in front of the routes: an answer that is stored and fresh is given at once.

use std::{sync::Arc, time::Instant};

use axum::{Router, body::Body};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use storefront_types::RequestId;
use uuid::Uuid;

use crate::{
    coding,
    door::{Caller, Handler, Plain, Routed},
    engine::Payload,
    pages::{self, KeptPages},
    storefront::Storefront,
};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const X_EDGE_REGION: HeaderName = HeaderName::from_static("x-edge-region");

/// The cache, and the routes behind it. Only answers of the catalog's public paths are in the cache, and they are nobody's own; so a
/// target that is found there needs no route.
#[derive(Clone)]
pub(crate) struct Front {
    shop: Arc<Storefront>,
    region: HeaderValue,
    routes: Router,
}

impl Front {
    pub(crate) fn new(shop: Arc<Storefront>, routes: Router) -> Self {
        let region = HeaderValue::from_str(shop.region.as_str()).unwrap_or(HeaderValue::from_static("unknown"));
        Self { shop, region, routes }
    }

    fn hit(&self, request: &Request<Incoming>) -> Option<Response<Payload>> {
        let mut answer = match self.page(request) {
            Some(page) => page,
            // Stock is put into a product before it is sent.
            None if KeptPages::makes(request.uri().path()) => return None,
            None => {
                let mut answer = self.shop.cache.hit(request.method(), request.uri(), request.headers())?;
                let headers = answer.headers_mut();
                headers.insert(X_EDGE_REGION, self.region.clone());
                headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                answer
            }
        };
        if let Some(id) = request_id(request.headers()) {
            answer.headers_mut().insert(X_REQUEST_ID, id);
        }
        Some(answer)
    }

    /// A page that is kept as it is sent.
    fn page(&self, request: &Request<Incoming>) -> Option<Response<Payload>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let target = request.uri().path_and_query()?.as_str();
        let page = self.shop.kept_pages.rendered(target, request.headers(), Instant::now())?;
        let given = page.give(request.method(), request.headers());
        let mut answer = Response::new(Payload::Whole(given.body));
        (*answer.status_mut(), *answer.headers_mut()) = (given.status, given.headers.clone());
        Some(answer)
    }
}

/// What some route or other takes.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");

/// What is not asked of any route: of the whole server (`*`), for what stands on the way (RFC 9110 section 9.3). The door refuses
/// tunnels.
fn of_no_route(request: &Request<Incoming>) -> Option<Response<Payload>> {
    let asks_server = request.uri().path() == "*";
    let status = match *request.method() {
        Method::OPTIONS if asks_server => StatusCode::NO_CONTENT,
        Method::TRACE => StatusCode::METHOD_NOT_ALLOWED,
        _ if asks_server => StatusCode::BAD_REQUEST,
        _ => return None,
    };
    let mut answer = Response::new(Payload::empty());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::ALLOW, METHODS);
    Some(answer)
}

fn request_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    HeaderValue::from_str(RequestId::from_client(given, Uuid::now_v7()).as_str()).ok()
}

impl Handler for Front {
    type Body = Payload;

    fn at_once(&self, request: &Plain<'_>, head: &mut Vec<u8>) -> Option<Bytes> {
        let given = request.field("x-request-id").and_then(|value| std::str::from_utf8(value).ok());
        let id = RequestId::from_client(given, Uuid::now_v7());
        // A plain request says nothing that a page would depend on.
        let page = self.shop.kept_pages.rendered(request.target, &HeaderMap::new(), Instant::now());
        let body = match page {
            Some(page) => {
                let body = page.write(coding::best_of(request.texts("accept-encoding")), head);
                if request.is_head { Bytes::new() } else { body.clone() }
            }
            None if KeptPages::makes(request.target) => return None,
            None => {
                let body = self.shop.cache.at_once(request, head)?;
                let fields = [&b"x-content-type-options: nosniff\r\nx-edge-region: "[..], self.region.as_bytes(), b"\r\n"];
                fields.iter().for_each(|part| head.extend_from_slice(part));
                body
            }
        };
        for part in [&b"x-request-id: "[..], id.as_str().as_bytes(), b"\r\n\r\n"] {
            head.extend_from_slice(part);
        }
        Some(body)
    }

    async fn handle(&self, request: Request<Incoming>, from: &Caller) -> Response<Payload> {
        match of_no_route(&request).or_else(|| self.hit(&request)) {
            Some(answer) => answer,
            None => {
                let mut answer = Routed(self.routes.clone()).handle(request, from).await;
                if from.tls {
                    pages::secure_cookies(answer.headers_mut());
                }
                answer.map(|body: Body| Payload::Streamed(body))
            }
        }
    }
}
