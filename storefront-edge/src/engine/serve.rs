//! Answers made of stored ones: whole, in another coding, in part, or `304`.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_cache_policy::{
    Asked, CacheStatus, Part, Ranged, asked_range, is_conditional, not_modified, range_still_applies, ranged,
};

use super::{Engine, Payload};
use crate::{
    cache::Stored,
    coding::{self, Coding},
};

pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// Fields that describe a body that a `304` does not have.
const OF_THE_BODY: [HeaderName; 5] =
    [header::CONTENT_LENGTH, header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_RANGE];

/// Whether the answer was validated for this very request, in which case it has no `Age` (RFC 9111 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Validated {
    Yes,
    No,
}

impl Validated {
    /// By the answer that came: one with an `Age` comes from another cache on the way, and not from the origin now.
    pub(super) fn by(answer: &HeaderMap) -> Self {
        if answer.contains_key(header::AGE) { Self::No } else { Self::Yes }
    }
}

impl Engine {
    /// The stored answer, as this request wants it. `None` when what is stored does not hold the part that is asked for.
    pub(super) fn served(
        &self,
        stored: &Stored,
        (method, request): (&Method, &HeaderMap),
        validated: Validated,
        mut status: CacheStatus,
    ) -> Option<Response<Payload>> {
        let now_ms = self.clock.now_ms();
        let age_ms = stored.lifetime.age_ms(now_ms);
        status.ttl_s = Some(left_s(stored.lifetime.fresh_s, age_ms));
        let (mut answer, body) = self.form(stored, method, request)?;
        let headers = answer.headers_mut();
        if validated == Validated::No {
            headers.insert(header::AGE, HeaderValue::from(age_ms / 1_000));
        }
        headers.append(CACHE_STATUS, status.header());
        // A HEAD says how long the body would be and has none.
        *answer.body_mut() = if *method == Method::HEAD { Payload::empty() } else { Payload::Whole(body) };
        Some(answer)
    }

    fn form(&self, stored: &Stored, method: &Method, request: &HeaderMap) -> Option<(Response<Payload>, Bytes)> {
        let mut answer = Response::new(Payload::empty());
        *answer.status_mut() = stored.status;
        let (headers, body) = self.coded(stored, request);
        if stored.status == StatusCode::OK
            && is_conditional(request)
            && not_modified(request, &headers, stored.lifetime.answered_ms)
        {
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            *answer.headers_mut() = headers.into_owned();
            for name in OF_THE_BODY {
                answer.headers_mut().remove(name);
            }
            return Some((answer, Bytes::new()));
        }
        let asked = match *method {
            Method::GET if request.contains_key(header::RANGE) && range_still_applies(request, &headers) => asked_range(request),
            _ => Asked::All,
        };
        match (stored.part, asked) {
            (None, Asked::All) => {
                *answer.headers_mut() = headers.into_owned();
                Some((answer, body))
            }
            (None, asked) if stored.status == StatusCode::OK => Some(cut(answer, headers.into_owned(), body, asked)),
            (None, _) => {
                *answer.headers_mut() = headers.into_owned();
                Some((answer, body))
            }
            (Some(here), asked) => {
                let Ranged::Part(wanted) = ranged(asked, here.complete) else { return None };
                here.holds(&wanted).then(|| {
                    let body = slice(&body, wanted.first - here.first, wanted.last - here.first);
                    (partial(answer, headers.into_owned(), wanted), body)
                })
            }
        }
    }

    /// Fields and body in the best coding that the client takes and that is here.
    fn coded<'a>(&self, stored: &'a Stored, request: &HeaderMap) -> (Cow<'a, HeaderMap>, Bytes) {
        let coding = if stored.coded.is_some() { coding::best(request) } else { Coding::Identity };
        match stored.form(coding) {
            Some(form) => (Cow::Owned(stored.coded_fields(coding, form)), form.body.clone()),
            None => (Cow::Borrowed(&stored.headers), stored.body.clone()),
        }
    }
}

/// Seconds that it stays fresh; negative when it is stale.
fn left_s(fresh_s: u64, age_ms: u64) -> i64 {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    signed(fresh_s).saturating_sub(signed(age_ms / 1_000))
}

fn slice(body: &Bytes, first: u64, last: u64) -> Bytes {
    let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(body.len());
    body.slice(at(first)..at(last.saturating_add(1)))
}

/// `206` or `416` of a complete body (RFC 9110 section 14).
fn cut(mut answer: Response<Payload>, headers: HeaderMap, body: Bytes, asked: Asked) -> (Response<Payload>, Bytes) {
    match ranged(asked, body.len() as u64) {
        Ranged::All => {
            *answer.headers_mut() = headers;
            (answer, body)
        }
        Ranged::Part(part) => (partial(answer, headers, part), slice(&body, part.first, part.last)),
        Ranged::Unsatisfiable { complete } => {
            *answer.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            *answer.headers_mut() = headers;
            for name in OF_THE_BODY {
                answer.headers_mut().remove(name);
            }
            if let Ok(range) = HeaderValue::from_str(&format!("bytes */{complete}")) {
                answer.headers_mut().insert(header::CONTENT_RANGE, range);
            }
            (answer, Bytes::new())
        }
    }
}

fn partial(mut answer: Response<Payload>, headers: HeaderMap, part: Part) -> Response<Payload> {
    *answer.status_mut() = StatusCode::PARTIAL_CONTENT;
    *answer.headers_mut() = headers;
    answer.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(part.last - part.first + 1));
    if let Some(range) = part.header() {
        answer.headers_mut().insert(header::CONTENT_RANGE, range);
    }
    answer
}
