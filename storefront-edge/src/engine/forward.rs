//! Asking the origin, and what its answer means for what is stored.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header, response::Parts};
use http_cache_policy::{
    Answer, CacheStatus, Forwarded, Lifetime, NotStored, Profile, StandsIn, Times, end_to_end, freshened, head_agrees,
    invalidated, selected_by_304, storable, validation,
};
use hyper::body::Incoming;
use tower_http::timeout::TimeoutBody;

use super::{
    Engine, Exchange, OriginError, Payload,
    complete::{ask_for_rest, rest_of},
    count,
    exchange::{authority, target},
    fill::Fill,
    hops::{Way, ended},
    serve::{CACHE_STATUS, Validated},
};
use crate::{
    cache::{Ended, KeyRef, Stored, Turn},
    door::Interim,
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What a request for an answer that is for everybody says beside `Via`: where it goes, and which request caused it.
const OF_A_FILL: [HeaderName; 3] =
    [header::HOST, HeaderName::from_static("x-request-id"), HeaderName::from_static("traceparent")];

/// How this cache calls itself to those behind it (RFC 9110 section 7.6.3).
const VIA: HeaderValue = HeaderValue::from_static("1.1 storefront-edge");

/// Why the origin is asked, and what is to be done with its answer.
pub(super) struct Plan {
    pub(super) why: Forwarded,
    pub(super) stands_in: StandsIn,
    /// To be validated, or to stand in.
    pub(super) stored: Option<Arc<Stored>>,
    pub(super) turn: Option<Turn>,
    pub(super) collapsed: bool,
}

/// What the client asked.
pub(super) struct Question {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
}

impl Question {
    /// Of fields that travel on: an answer is judged and kept by what the origin was asked, not by what stayed behind.
    fn of(parts: http::request::Parts) -> Self {
        Self { method: parts.method, uri: parts.uri, headers: end_to_end(&parts.headers) }
    }
}

/// An answer's head, with what was known when it was asked for.
pub(super) struct Arrived {
    pub(super) parts: Parts,
    pub(super) body: Incoming,
    pub(super) times: Times,
    pub(super) ticket: u64,
}

impl Engine {
    pub(super) async fn forward(self: &Arc<Self>, exchange: Exchange, mut plan: Plan) -> Response<Payload> {
        let Exchange { request, from, interim } = exchange;
        let (parts, _) = request.into_parts();
        let question = Question::of(parts);
        loop {
            let mut headers = self.outgoing(&question, from);
            // The content of a GET has no meaning (RFC 9110 section 9.3.1), and an answer chosen by it must not reach others: it stays here,
            // and its length with it.
            headers.remove(header::CONTENT_LENGTH);
            if self.setup.whole_fills {
                self.plain(&mut headers);
            }
            let complete = plan.stored.as_ref().filter(|stored| stored.part.is_none());
            let validates = complete.is_some_and(|stored| {
                let has = http_cache_policy::has_validator(&stored.headers);
                has && validation(&mut headers, &stored.headers)
            });
            if validates {
                headers.remove(header::RANGE);
            }
            let rest = plan.stored.as_ref().and_then(|stored| rest_of(stored, &question));
            if let (Some(begins), Some(stored)) = (rest, &plan.stored) {
                ask_for_rest(&mut headers, stored, begins);
            }
            let method = if self.setup.whole_fills { Method::GET } else { question.method.clone() };
            let arrived = match self.ask(method, &question.uri, headers, Body::empty(), interim.as_ref()).await {
                Ok(arrived) => arrived,
                Err(error) => return self.without_answer(&error, &question, plan),
            };
            match (arrived.parts.status, plan.stored.clone().filter(|_| validates)) {
                (StatusCode::NOT_MODIFIED, Some(stored)) => {
                    if let Some(answer) = self.validated(&question, &stored, &arrived, &mut plan) {
                        return answer;
                    }
                    // It speaks of another answer than the one stored here: ask for that one whole.
                    plan.stored = None;
                }
                (StatusCode::PARTIAL_CONTENT, _) if rest.is_some() => {
                    let stored = plan.stored.take();
                    if let Some(stored) = stored
                        && let Some(answer) = self.completed(&question, &stored, arrived, &mut plan).await
                    {
                        return answer;
                    }
                }
                _ => return self.received(question, arrived, plan).await,
            }
        }
    }

    async fn ask(
        &self,
        method: Method,
        uri: &Uri,
        headers: HeaderMap,
        body: Body,
        interim: Option<&Interim>,
    ) -> Result<Arrived, OriginError> {
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        if let Some(interim) = interim.cloned() {
            hyper::ext::on_informational(&mut request, move |answer| {
                // A hint that is not taken is none.
                let _ = interim.send(answer.status(), answer.headers());
            });
        }
        let (ticket, asked_ms) = (self.purges.ticket(), self.clock.now_ms());
        let (parts, body) = self.origin.send(request, self.setup.patience).await?.into_parts();
        let mut parts = parts;
        if parts.headers.contains_key(header::TRANSFER_ENCODING) {
            // Beside it a length means nothing, and must not travel on (RFC 9112 section 6.3).
            parts.headers.remove(header::CONTENT_LENGTH);
        }
        parts.headers = end_to_end(&parts.headers);
        Ok(Arrived { parts, body, times: Times { asked_ms, answered_ms: self.clock.now_ms() }, ticket })
    }

    /// Fields for the origin: the client's own, less those of its connection.
    fn outgoing(&self, question: &Question, from: Option<std::net::IpAddr>) -> HeaderMap {
        let mut headers = question.headers.clone();
        headers.remove(header::EXPECT);
        let names_host = self.setup.by_authority && headers.contains_key(header::HOST);
        // The host of an absolute target counts, whatever `Host` says (RFC 9112 section 3.2.2); answers are stored under it.
        let absolute = question.uri.authority().filter(|_| self.setup.by_authority).map(http::uri::Authority::as_str);
        let host = absolute.or_else(|| (!names_host).then(|| self.origin.address()));
        if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
            headers.insert(header::HOST, host);
        }
        headers.append(header::VIA, VIA);
        if let Some(from) = from.and_then(|from| HeaderValue::from_str(&from.to_string()).ok()) {
            headers.append(X_FORWARDED_FOR, from);
        }
        headers
    }

    /// Wants the whole answer, and plain. It is for everybody: nothing that one client says may have a part in it.
    fn plain(&self, headers: &mut HeaderMap) {
        let nobodys = OF_A_FILL.into_iter().filter_map(|name| Some((name.clone(), headers.get(name)?.clone())));
        *headers = nobodys.collect();
        headers.insert(header::VIA, VIA);
    }

    /// A `304` to our own condition. `None` when it speaks of an answer that is not stored here.
    fn validated(
        &self,
        question: &Question,
        stored: &Arc<Stored>,
        arrived: &Arrived,
        plan: &mut Plan,
    ) -> Option<Response<Payload>> {
        let Arrived { parts, times, ticket, .. } = arrived;
        let authority = authority(&question.uri, &question.headers);
        let key = self.key(&authority, &question.uri);
        if !selected_by_304(&stored.headers, &parts.headers) {
            self.shelf.remove(key);
            return None;
        }
        let fresh = self.renewed(key, question, stored, &parts.headers, *times, *ticket);
        count("revalidated");
        if let Some(turn) = plan.turn.take() {
            turn.end(Ended::Stored);
        }
        let status = CacheStatus {
            forwarded: Some(plan.why),
            forwarded_status: Some(304),
            stored: true,
            collapsed: plan.collapsed,
            ..CacheStatus::default()
        };
        self.served(&fresh, (&question.method, &question.headers), Validated::by(&parts.headers), status)
    }

    /// The stored answer with newer fields, back on the shelf where it may be kept.
    fn renewed(
        &self,
        key: KeyRef<'_>,
        question: &Question,
        stored: &Arc<Stored>,
        newer: &HeaderMap,
        times: Times,
        ticket: u64,
    ) -> Arc<Stored> {
        let headers = freshened(&stored.headers, newer);
        let verdict = self.verdict(&Method::GET, question, stored.status, &headers, times);
        let lifetime = verdict.unwrap_or_else(|_| Lifetime::already_over(&headers, times));
        let made = self.make(&question.headers, (stored.status, headers), stored.body.clone(), lifetime, (ticket, key));
        let fresh = Arc::new(made.with_forms_of(stored));
        match verdict {
            Ok(_) => self.shelf.put(key, fresh.clone()),
            // One client's own fields are no reason to drop what others use.
            Err(NotStored::Authorization | NotStored::ClientForbids) => {}
            Err(_) => self.shelf.remove(key),
        }
        fresh
    }

    pub(super) fn verdict(
        &self,
        method: &Method,
        question: &Question,
        status: StatusCode,
        headers: &HeaderMap,
        times: Times,
    ) -> Result<Lifetime, NotStored> {
        let authority = authority(&question.uri, &question.headers);
        let answer = Answer {
            method,
            authority: &authority,
            target: target(&question.uri),
            request: &question.headers,
            status,
            headers,
            times,
        };
        storable(self.setup.profile, &answer)
    }

    async fn received(self: &Arc<Self>, question: Question, arrived: Arrived, mut plan: Plan) -> Response<Payload> {
        let Arrived { parts, body, times, ticket } = arrived;
        let failed = |status: StatusCode| matches!(status.as_u16(), 500 | 502 | 503 | 504);
        if failed(parts.status)
            && plan.stands_in == StandsIn::OnError
            // A stored error is no better than a new one.
            && let Some(stored) = plan.stored.clone().filter(|stored| !failed(stored.status))
        {
            let status = Some(parts.status.as_u16());
            if let Some(answer) = self.stood_in(&question, &stored, &plan, "stale-if-error", status) {
                return answer;
            }
        }
        if question.method == Method::HEAD && !self.setup.whole_fills {
            self.updated_by_head(&question, &parts, times, ticket);
        }
        let status = CacheStatus {
            forwarded: Some(plan.why),
            forwarded_status: Some(parts.status.as_u16()),
            collapsed: plan.collapsed,
            ..CacheStatus::default()
        };
        let fill = Fill { question, times, ticket, turn: plan.turn.take(), status };
        self.fill(fill, parts, body).await
    }

    /// The answer to a `HEAD` tells whether the stored answer to a `GET` still holds (RFC 9111 section 4.3.5).
    fn updated_by_head(&self, question: &Question, parts: &Parts, times: Times, ticket: u64) {
        let authority = authority(&question.uri, &question.headers);
        let key = self.key(&authority, &question.uri);
        let crate::cache::Found::Match(stored) = self.shelf.get(key, &question.headers) else { return };
        match parts.status == StatusCode::OK && stored.part.is_none() && head_agrees(&stored.headers, &parts.headers) {
            true => {
                self.renewed(key, question, &stored, &parts.headers, times, ticket);
            }
            false if matches!(parts.status.as_u16(), 200 | 404 | 410) => self.shelf.remove(key),
            false => {}
        }
    }

    /// Passes a request on that no stored answer can serve, and drops what it makes wrong.
    pub(super) async fn pass(self: &Arc<Self>, exchange: Exchange, why: Forwarded) -> Response<Payload> {
        let Exchange { request, from, interim } = exchange;
        let (parts, body) = request.into_parts();
        let question = Question::of(parts);
        let hops = match Way::of(&question.method, &question.uri, &question.headers, self.setup.profile == Profile::RFC) {
            Way::Onward(hops) => hops,
            Way::Ends(status) => return ended(status, why),
        };
        let mut headers = self.outgoing(&question, from);
        hops.tell(&mut headers);
        let arrived = match self.ask(question.method.clone(), &question.uri, headers, body, interim.as_ref()).await {
            Ok(arrived) => arrived,
            Err(error) => {
                let plan = Plan { why, stands_in: StandsIn::Never, stored: None, turn: None, collapsed: false };
                return self.without_answer(&error, &question, plan);
            }
        };
        count("pass");
        let Arrived { parts, body, times, mut ticket } = arrived;
        let authority = authority(&question.uri, &question.headers);
        // What somebody else purged since the origin was asked counts; what this request itself purges does not.
        let is_latest = ticket == self.purges.ticket();
        for target in invalidated(&question.method, &authority, target(&question.uri), parts.status, &parts.headers) {
            let key = KeyRef { authority: self.key(&authority, &question.uri).authority, target: &target };
            self.shelf.remove(key);
            self.invalidate_second(key);
            self.purges.purge([self.purges.key_tag(&key)], false);
        }
        let status =
            CacheStatus { forwarded: Some(why), forwarded_status: Some(parts.status.as_u16()), ..CacheStatus::default() };
        if is_latest {
            ticket = self.purges.ticket();
        }
        match self.setup.whole_fills {
            true => self.passed_on(parts, body, status),
            false => self.fill(Fill { question, times, ticket, turn: None, status }, parts, body).await,
        }
    }

    /// An answer as it comes, kept by nobody.
    pub(super) fn passed_on<B>(&self, mut parts: Parts, body: B, status: CacheStatus) -> Response<Payload>
    where
        B: http_body::Body<Data = Bytes, Error: Into<axum::BoxError>> + Send + 'static,
    {
        self.hide_internal(&mut parts.headers);
        parts.headers.append(CACHE_STATUS, status.header());
        parts.version = http::Version::HTTP_11;
        parts.extensions.clear();
        let body = TimeoutBody::new(self.setup.patience, body);
        Response::from_parts(parts, Payload::Streamed(Body::new(body)))
    }

    pub(super) fn hide_internal(&self, headers: &mut HeaderMap) {
        for name in self.setup.internal {
            headers.remove(*name);
        }
    }
}
