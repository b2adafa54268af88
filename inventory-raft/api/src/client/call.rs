//! One call over as many attempts as the deadline allows.

use std::time::{Duration, Instant};

use reqwest::{
    Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde::{Serialize, de::DeserializeOwned};
use storefront_types::{CallContext, Problem};

use super::{Called, ClientError, InventoryClient, not_executed};
use crate::{LEADER_HEADER, Outcome, Refusal, TERM_HEADER};

/// Longest wait for one attempt: a proposal is answered within 4 s or not at all.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(4_500);

/// Pause before another attempt, doubled up to the longest; short, because an election takes a few hundred milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(160);

/// What one attempt came to.
enum Attempt {
    Answered(StatusCode, bytes::Bytes),
    /// Certainly not executed; another node or a later moment may do.
    NotExecuted,
    /// Perhaps executed.
    Unknown,
}

pub(super) fn headers(context: &CallContext) -> HeaderMap {
    let pair = |(name, value): (&'static str, String)| Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?));
    context.headers().into_iter().filter_map(pair).collect()
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
    async fn call(
        &self,
        context: &CallContext,
        path: &str,
        body: Option<&bytes::Bytes>,
        any: bool,
    ) -> Called<(StatusCode, bytes::Bytes)> {
        let began = Instant::now();
        let (mut pause, mut perhaps) = (FIRST_PAUSE, false);
        loop {
            let left = self.deadline.saturating_sub(began.elapsed());
            let address = if any { self.members.any() } else { self.members.target() };
            match self.attempt(context, &address, path, body, left.min(ATTEMPT_TIMEOUT)).await {
                Attempt::Answered(status, bytes) => return Ok((status, bytes)),
                Attempt::NotExecuted => {}
                Attempt::Unknown => perhaps |= body.is_some(),
            }
            if began.elapsed() + pause >= self.deadline {
                let waited = began.elapsed();
                return Err(if perhaps { ClientError::OutcomeUnknown { waited } } else { ClientError::NotExecuted { waited } });
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn attempt(
        &self,
        context: &CallContext,
        address: &str,
        path: &str,
        body: Option<&bytes::Bytes>,
        timeout: Duration,
    ) -> Attempt {
        let url = format!("http://{address}{path}");
        let request = match body {
            Some(body) => self.http.post(url).header("content-type", "application/json").body(body.clone()),
            None => self.http.get(url),
        };
        let answer = match request.headers(headers(context)).timeout(timeout).send().await {
            Ok(answer) => answer,
            Err(error) => {
                self.members.failed(address);
                return if error.is_connect() { Attempt::NotExecuted } else { Attempt::Unknown };
            }
        };
        self.take_hint(address, &answer);
        let status = answer.status();
        let Ok(bytes) = answer.bytes().await else { return Attempt::Unknown };
        match status.as_u16() {
            421 | 429 | 503 => {
                let problem = serde_json::from_slice::<Problem>(&bytes);
                if problem.is_ok_and(|problem| not_executed(&problem)) { Attempt::NotExecuted } else { Attempt::Unknown }
            }
            500.. => Attempt::Unknown,
            _ => Attempt::Answered(status, bytes),
        }
    }

    fn take_hint(&self, asked: &str, answer: &Response) {
        let text = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        if answer.status() == StatusCode::MISDIRECTED_REQUEST || answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            self.members.failed(asked);
        }
        if let (Some(address), Some(term)) = (text(LEADER_HEADER), text(TERM_HEADER).and_then(|term| term.parse().ok())) {
            self.members.hint(term, address);
        }
    }
}

fn to_json<B: Serialize>(body: &B) -> Called<bytes::Bytes> {
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
