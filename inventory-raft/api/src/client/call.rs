//! One call over as many attempts as the deadline allows.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method, Request, StatusCode,
    header::{CONTENT_TYPE, HeaderMap},
};
use http_body_util::{BodyExt, Full, Limited};
use serde::{Serialize, de::DeserializeOwned};
use storefront_tls::Failed;
use storefront_types::{CallContext, Problem};
use tokio::time::timeout;

use super::{Called, ClientError, InventoryClient, not_executed};
use crate::{LEADER_HEADER, Outcome, Refusal, TERM_HEADER};

/// Longest wait for one attempt: a proposal is answered within 4 s or not at all.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(4_500);

/// Pause before another attempt, doubled up to the longest; short, because an election takes a few hundred milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// Largest answer: 1,000 outcomes or a page of 200 reservations, each with 4 KiB of memo and what else it has.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;

/// What one attempt came to.
enum Attempt {
    Answered(StatusCode, Bytes),
    /// Certainly not executed; another node or a later moment may do.
    NotExecuted,
    /// Certainly not executed; another node, or new certificates, may do.
    Untrusted(String),
    /// Perhaps executed.
    Unknown,
}

pub(super) fn request(
    context: &CallContext,
    address: &str,
    path: &str,
    body: Option<&Bytes>,
) -> http::Result<Request<Full<Bytes>>> {
    let method = if body.is_some() { Method::POST } else { Method::GET };
    let mut request = Request::builder().method(method).uri(format!("http://{address}{path}"));
    for (name, value) in context.headers() {
        if let Ok(value) = HeaderValue::try_from(value) {
            request = request.header(HeaderName::from_static(name), value);
        }
    }
    if body.is_some() {
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request.body(body.cloned().unwrap_or_default().into())
}

impl InventoryClient {
    pub(super) async fn command<B: Serialize>(&self, context: &CallContext, path: &str, body: &B) -> Called<Outcome> {
        let (status, bytes) = self.call(context, path, Some(&to_json(body)?), false).await?;
        if status.is_success() {
            return parse(&bytes);
        }
        match serde_json::from_slice::<Refusal>(&bytes) {
            Ok(refusal) => Ok(refused(refusal)),
            Err(_) => Err(ClientError::Refused(Box::new(parse(&bytes)?))),
        }
    }

    pub(super) async fn post<B: Serialize, T: DeserializeOwned>(&self, context: &CallContext, path: &str, body: &B) -> Called<T> {
        let (status, bytes) = self.call(context, path, Some(&to_json(body)?), false).await?;
        expect(status, &bytes)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, context: &CallContext, path: &str, any: bool) -> Called<T> {
        let (status, bytes) = self.call(context, path, None, any).await?;
        expect(status, &bytes)
    }

    pub(super) async fn find<T: DeserializeOwned>(&self, context: &CallContext, path: &str, any: bool) -> Called<Option<T>> {
        let (status, bytes) = self.call(context, path, None, any).await?;
        if status == StatusCode::NOT_FOUND { Ok(None) } else { expect(status, &bytes).map(Some) }
    }

    /// Repeats until answered or the deadline is over; reads never leave an unknown outcome behind.
    async fn call(&self, context: &CallContext, path: &str, body: Option<&Bytes>, any: bool) -> Called<(StatusCode, Bytes)> {
        let began = Instant::now();
        let (mut pause, mut perhaps) = (FIRST_PAUSE, false);
        loop {
            let left = self.deadline.saturating_sub(began.elapsed());
            let address = if any { self.members.any() } else { self.members.target() };
            let mut untrusted = None;
            match self.attempt(context, &address, path, body, left.min(ATTEMPT_TIMEOUT)).await {
                Attempt::Answered(status, bytes) => return Ok((status, bytes)),
                Attempt::NotExecuted => {}
                Attempt::Untrusted(reason) => untrusted = Some(reason),
                Attempt::Unknown => perhaps |= body.is_some(),
            }
            if began.elapsed() + pause >= self.deadline {
                let waited = began.elapsed();
                return Err(match untrusted {
                    _ if perhaps => ClientError::OutcomeUnknown { waited },
                    Some(reason) => ClientError::Untrusted { reason },
                    None => ClientError::NotExecuted { waited },
                });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(&self, context: &CallContext, address: &str, path: &str, body: Option<&Bytes>, limit: Duration) -> Attempt {
        // An address that is none came from somebody's list of nodes; the next one may be better.
        let Ok(request) = request(context, address, path, body) else {
            self.members.failed(address);
            return Attempt::NotExecuted;
        };
        timeout(limit, self.exchange(address, request)).await.unwrap_or_else(|_| {
            self.members.failed(address);
            Attempt::Unknown
        })
    }

    async fn exchange(&self, address: &str, request: Request<Full<Bytes>>) -> Attempt {
        let answer = match self.http.send(request).await {
            Ok(answer) => answer,
            Err(failed) => {
                self.members.failed(address);
                return match failed {
                    Failed::Untrusted(reason) => Attempt::Untrusted(format!("{address}: {reason}")),
                    Failed::NoConnection(_) => Attempt::NotExecuted,
                    Failed::NoAnswer(_) => Attempt::Unknown,
                };
            }
        };
        let status = answer.status();
        self.take_hint(address, status, answer.headers());
        let Ok(bytes) = Limited::new(answer.into_body(), MAX_ANSWER_BYTES).collect().await else { return Attempt::Unknown };
        let bytes = bytes.to_bytes();
        match status.as_u16() {
            421 | 429 | 503 => {
                let problem = serde_json::from_slice::<Problem>(&bytes);
                if problem.is_ok_and(|problem| not_executed(&problem)) { Attempt::NotExecuted } else { Attempt::Unknown }
            }
            500.. => Attempt::Unknown,
            _ => Attempt::Answered(status, bytes),
        }
    }

    fn take_hint(&self, asked: &str, status: StatusCode, headers: &HeaderMap) {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if status == StatusCode::MISDIRECTED_REQUEST || status == StatusCode::SERVICE_UNAVAILABLE {
            self.members.failed(asked);
        }
        if let (Some(address), Some(term)) = (text(LEADER_HEADER), text(TERM_HEADER).and_then(|term| term.parse().ok())) {
            self.members.hint(term, address);
        }
    }
}

fn to_json<B: Serialize>(body: &B) -> Called<Bytes> {
    serde_json::to_vec(body).map(Into::into).map_err(|_| ClientError::NotExecuted { waited: Duration::ZERO })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Called<T> {
    serde_json::from_slice(bytes).map_err(|_| ClientError::OutcomeUnknown { waited: Duration::ZERO })
}

fn expect<T: DeserializeOwned>(status: StatusCode, bytes: &[u8]) -> Called<T> {
    if status.is_success() { parse(bytes) } else { Err(ClientError::Refused(Box::new(parse(bytes)?))) }
}

fn refused(refusal: Refusal) -> Outcome {
    let lines = refusal.problem.lines.into_iter().filter_map(|line| serde_json::from_value(line).ok()).collect();
    Outcome { outcome: refusal.outcome, id: refusal.id, lines, expires_at: None, replayed: false }
}
