//! Calls to the services behind: one pool of kept connections, a deadline for each call, bounded answers.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use storefront_types::CallContext;

/// Largest answer taken from a service.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Longest wait for a connection on a private network.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Headers of one connection, not of the message (RFC 9110 section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Why a service gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The request never arrived: another instance may be asked, whatever the method.
    #[error("{address} cannot be reached")]
    Unreachable { address: String },
    /// The request may have been worked on.
    #[error("{address} did not answer properly within {timeout:?}")]
    NoAnswer { address: String, timeout: Duration },
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Upstream {
    pub(crate) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        Self { client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(256).build(connector) }
    }

    /// Sends one request. `path` is path and query as they came.
    pub(crate) async fn call(
        &self,
        context: &CallContext,
        address: &str,
        (method, path): (Method, &str),
        headers: &HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, UpstreamError> {
        let no_answer = || UpstreamError::NoAnswer { address: address.to_owned(), timeout };
        let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
        if let Some(ours) = request.headers_mut() {
            *ours = end_to_end(headers);
            // Set by the client library for what is really sent.
            ours.remove(header::HOST);
            ours.remove(header::CONTENT_LENGTH);
            for (name, value) in context.headers() {
                if let Ok(value) = HeaderValue::from_str(&value) {
                    ours.insert(name, value);
                }
            }
        }
        let request = request.body(Full::new(body)).map_err(|_| no_answer())?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| match error.is_connect() {
                true => UpstreamError::Unreachable { address: address.to_owned() },
                false => no_answer(),
            })?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|_| no_answer())?.to_bytes();
            Ok(Answer { status: parts.status, headers: end_to_end(&parts.headers), body })
        };
        tokio::time::timeout(timeout, exchange).await.map_err(|_| no_answer())?
    }
}

/// The headers that travel on: not those of the connection, nor those that `Connection` names.
pub(crate) fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    for name in named.flat_map(|list| list.split(',')).filter_map(|name| name.trim().parse::<HeaderName>().ok()) {
        kept.remove(name);
    }
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Secret"));
        headers.insert("x-secret", HeaderValue::from_static("1"));
        headers.insert("x-kept", HeaderValue::from_static("1"));
        let kept = end_to_end(&headers);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["x-kept"]);
    }
}
