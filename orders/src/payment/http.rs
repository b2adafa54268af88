//! One HTTP call of a provider, with what can be said about whether it was executed.

use std::time::Duration;

use http::StatusCode;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

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

/// A client for `http` and `https`, without proxies and without following redirects: a key must not go anywhere else.
pub(super) fn client() -> anyhow::Result<Client> {
    // The process's one choice of cryptography; a second call changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
    Ok(client.build()?)
}

/// Sends and reads to the end. The answer's body is JSON, or `null` where it is not.
pub(super) async fn send(request: RequestBuilder) -> Result<(StatusCode, Value), Failed> {
    // Without its URL, which carries what is asked about.
    let text = |error: reqwest::Error| error.without_url().to_string();
    let mut answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) if error.is_connect() || error.is_builder() => return Err(Failed::NotSent(text(error))),
        Err(error) => return Err(Failed::NoAnswer(text(error))),
    };
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(more)) if body.len() + more.len() <= MAX_ANSWER_BYTES => body.extend_from_slice(&more),
            Ok(Some(_)) => return Err(Failed::NoAnswer(format!("the answer is over {MAX_ANSWER_BYTES} bytes"))),
            Ok(None) => return Ok((answer.status(), serde_json::from_slice(&body).unwrap_or_default())),
            Err(error) => return Err(Failed::NoAnswer(text(error))),
        }
    }
}
