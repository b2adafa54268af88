//! The server behind: one address, asked over the edge's pool and behind its breaker.

use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response, Uri, uri::Scheme};
use hyper::body::Incoming;

use crate::upstream::{Upstream, UpstreamError};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OriginError {
    /// It cannot be reached, broke off, or sent what is no HTTP.
    #[error(transparent)]
    Failed(#[from] UpstreamError),
    #[error("the origin did not answer within {0:?}")]
    TooLate(Duration),
    #[error("the target {0:?} cannot be passed on")]
    Target(String),
}

impl OriginError {
    /// Nothing was sent: it carries no more, or is left alone for a moment.
    pub(crate) fn is_unasked(&self) -> bool {
        matches!(self, Self::Failed(UpstreamError::Full { .. } | UpstreamError::Broken { .. }))
    }
}

/// On an answer of this edge's own: the origin was not asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unasked;

#[derive(Clone)]
pub(crate) struct Origin {
    upstream: Upstream,
    scheme: Scheme,
    /// `host:port`
    address: String,
}

impl Origin {
    pub(crate) fn new(upstream: Upstream, scheme: Scheme, address: String) -> Self {
        Self { upstream, scheme, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends one request; its target is path and query. The body of the answer may still be on its way.
    pub(crate) async fn send(&self, mut request: Request<Body>, patience: Duration) -> Result<Response<Incoming>, OriginError> {
        let target = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
        // Not by writing and reading it: `*`, which asks about the whole server, stands behind no authority.
        let absolute = Uri::builder().scheme(self.scheme.clone()).authority(self.address.as_str()).path_and_query(target).build();
        *request.uri_mut() = absolute.map_err(|_| OriginError::Target(target.to_owned()))?;
        *request.version_mut() = http::Version::HTTP_11;
        let began = Instant::now();
        self.upstream.send(request, patience).await.map_err(|error| match began.elapsed() >= patience {
            true => OriginError::TooLate(patience),
            false => OriginError::Failed(error),
        })
    }
}
