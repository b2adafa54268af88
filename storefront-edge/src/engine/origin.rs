//! The server behind: one pool of kept connections, a bounded wait for the head of an answer.

use std::time::Duration;

use axum::body::Body;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Idle connections kept to the origin, and for how long: under the 5 s after which servers like to close them.
const MAX_IDLE: usize = 256;
const KEEP_IDLE: Duration = Duration::from_secs(4);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OriginError {
    #[error("the origin cannot be reached")]
    Unreachable,
    #[error("the origin broke off, or what it sent is no HTTP")]
    BrokenOff,
    #[error("the origin did not answer in time")]
    TooLate,
}

#[derive(Clone)]
pub(crate) struct Origin {
    client: Client<HttpConnector, Body>,
    /// `host:port`
    address: String,
}

impl Origin {
    pub(crate) fn new(address: String) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(MAX_IDLE).pool_idle_timeout(KEEP_IDLE);
        // The name that the client asked for travels on, beside the address that is connected to.
        builder.set_host(false);
        Self { client: builder.build(connector), address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Sends one request; its target is path and query. The body of the answer may still be on its way.
    pub(crate) async fn send(&self, mut request: Request<Body>, patience: Duration) -> Result<Response<Incoming>, OriginError> {
        let target = request.uri().path_and_query().map_or("/", |whole| whole.as_str());
        *request.uri_mut() = format!("http://{}{target}", self.address).parse::<Uri>().map_err(|_| OriginError::BrokenOff)?;
        *request.version_mut() = http::Version::HTTP_11;
        match tokio::time::timeout(patience, self.client.request(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_connect() => Err(OriginError::Unreachable),
            Ok(Err(_)) => Err(OriginError::BrokenOff),
            Err(_) => Err(OriginError::TooLate),
        }
    }
}
