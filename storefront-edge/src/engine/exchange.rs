//! One request on its way through the cache.

use std::{borrow::Cow, net::IpAddr};

use axum::body::Body;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};

use crate::{cache::KeyRef, door::Interim};

/// Fields by which one client wants something else than the plain answer.
const OF_ONE_CLIENT: [HeaderName; 9] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::CONTENT_LENGTH,
    header::CACHE_CONTROL,
    header::PRAGMA,
];

/// A request, who sent it, and where interim answers go.
pub(crate) struct Exchange {
    pub(crate) request: Request<Body>,
    pub(crate) from: Option<IpAddr>,
    pub(crate) interim: Option<Interim>,
}

impl Exchange {
    pub(crate) fn new(request: Request<Body>) -> Self {
        Self { request, from: None, interim: None }
    }

    /// A `GET` without a body that selects the same answer.
    pub(crate) fn repeated(headers: &HeaderMap, uri: &Uri) -> Self {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers.clone();
        for name in OF_ONE_CLIENT {
            request.headers_mut().remove(name);
        }
        Self::new(request)
    }
}

/// Path and query as they came; `/` for a request without.
pub(crate) fn target(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |whole| whole.as_str())
}

/// The host that is asked, in lower case: of the target when it is absolute (RFC 9112 section 3.2.2), else of `Host`.
pub(crate) fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Cow<'a, str> {
    let named = uri.authority().map(http::uri::Authority::as_str);
    let named = named.or_else(|| headers.get(header::HOST).and_then(|host: &HeaderValue| host.to_str().ok())).unwrap_or_default();
    match named.bytes().any(|b| b.is_ascii_uppercase()) {
        true => Cow::Owned(named.to_ascii_lowercase()),
        false => Cow::Borrowed(named),
    }
}

/// Methods that stored answers are used for.
pub(crate) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

impl super::Engine {
    /// What the answer to this request is stored under.
    pub(super) fn key<'a>(&self, authority: &'a Cow<'a, str>, uri: &'a Uri) -> KeyRef<'a> {
        KeyRef { authority: if self.setup.by_authority { authority } else { "" }, target: target(uri) }
    }
}
