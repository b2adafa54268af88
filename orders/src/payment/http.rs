//! HTTP calls of a provider, with what can be said about whether they were executed.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri, request::Builder};
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;
use storefront_tls::{Connector, HttpClient};

use super::port::{Authorisation, PaymentError};

/// Largest answer that is read: a page of 100 payments of 4 KiB each.
const MAX_ANSWER_BYTES: usize = 512 * 1024;

/// A connection is there at once, or the provider is away.
const CONNECT: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failed {
    /// Certainly not executed.
    NotSent(String),
    /// Perhaps executed.
    NoAnswer(String),
}

impl From<Failed> for PaymentError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotSent(reason) => Self::Away(reason),
            Failed::NoAnswer(reason) => Self::Unknown(reason),
        }
    }
}

impl From<Failed> for Authorisation {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotSent(_) => Self::Away,
            Failed::NoAnswer(_) => Self::Unknown,
        }
    }
}

/// A client of one server. It follows no redirect: a key must not go anywhere else.
#[derive(Clone)]
pub(super) struct Client {
    http: HttpClient<Full<Bytes>>,
    base: String,
}

impl Client {
    /// `base`: `http://host:port` or `https://host`, then with a certificate that the machine trusts.
    pub(super) fn to(base: &str) -> anyhow::Result<Self> {
        let uri: Uri = base.parse().map_err(|error| anyhow::anyhow!("{base} is no URL: {error}"))?;
        let (Some(scheme), Some(host)) = (uri.scheme_str(), uri.host()) else { anyhow::bail!("{base} is no http or https URL") };
        let (connector, usual) = match scheme {
            "https" => (Connector::public(None)?, 443),
            "http" => (Connector::plaintext(), 80),
            _ => anyhow::bail!("{base} is no http or https URL"),
        };
        let path = uri.path().trim_end_matches('/');
        let base = format!("{scheme}://{host}:{}{path}", uri.port_u16().unwrap_or(usual));
        Ok(Self { http: HttpClient::new(connector.within(CONNECT)), base })
    }

    pub(super) fn request(&self, method: Method, path: &str) -> Builder {
        Request::builder().method(method).uri(format!("{}{path}", self.base))
    }

    /// Sends and reads to the end. The answer's body is JSON, or `null` where it is not.
    pub(super) async fn send(&self, request: Builder, body: impl Into<Bytes>) -> Result<(StatusCode, Value), Failed> {
        let request = request.body(Full::new(body.into())).map_err(|error| Failed::NotSent(error.to_string()))?;
        let answer = self.http.send(request).await.map_err(|failed| match failed {
            storefront_tls::Failed::NoAnswer(_) => Failed::NoAnswer(failed.to_string()),
            storefront_tls::Failed::NoConnection(_) | storefront_tls::Failed::Untrusted(_) => Failed::NotSent(failed.to_string()),
        })?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| Failed::NoAnswer(error.to_string()))?.to_bytes();
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}
