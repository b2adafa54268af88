//! The origin behind every cache that is measured: one object under every path. It counts what reaches it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;

use super::listening::{Answer, Listening};

/// Kept for longer than any bench takes.
pub(super) const KEPT: &str = "public, max-age=3600";

/// How the origin answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answers {
    pub(super) body_bytes: usize,
    /// Time that one answer takes.
    pub(super) takes: Duration,
    /// `Cache-Control`.
    pub(super) control: &'static str,
}

impl Answers {
    /// Without any wait.
    pub(super) const fn immediate(body_bytes: usize) -> Self {
        Self { body_bytes, takes: Duration::ZERO, control: KEPT }
    }
}

/// A running origin; it ends with this value.
#[derive(Debug)]
pub(super) struct Origin {
    listening: Listening,
    asked: Arc<AtomicU64>,
}

impl Origin {
    pub(super) fn start(answers: Answers) -> anyhow::Result<Self> {
        let (asked, body) = (Arc::new(AtomicU64::new(0)), Bytes::from(vec![b'x'; answers.body_bytes]));
        let counted = asked.clone();
        let listening = Listening::start(move |request: Request<Incoming>| {
            let (counted, body) = (counted.clone(), body.clone());
            async move {
                counted.fetch_add(1, Ordering::AcqRel);
                // A body that is not read would end the connection.
                let _ = request.into_body().collect().await;
                if !answers.takes.is_zero() {
                    tokio::time::sleep(answers.takes).await;
                }
                object(body, answers.control)
            }
        })?;
        Ok(Self { listening, asked })
    }

    /// Requests that came so far.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Acquire)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.listening.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

/// `200` with a validator.
pub(super) fn object(body: Bytes, control: &'static str) -> Answer {
    let mut response = Response::new(Full::new(body).boxed_unsync());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.insert(header::ETAG, HeaderValue::from_static("\"one\""));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn counts_what_reaches_it_and_lets_caches_keep_the_answer() {
        let origin = Origin::start(Answers::immediate(4096)).unwrap();
        for _ in 0..3 {
            let answer = reqwest::get(format!("{}/a", origin.url())).await.unwrap();
            assert_eq!(answer.headers()["cache-control"], KEPT);
            assert_eq!(answer.bytes().await.unwrap().len(), 4096);
        }
        assert_eq!(origin.asked(), 3);
    }
}
