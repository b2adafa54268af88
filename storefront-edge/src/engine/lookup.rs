//! From a request to a decision, and from a decision to an answer.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::Instant,
};

use http::{HeaderMap, Method, Response, StatusCode, Uri};
use http_cache_policy::{
    CacheStatus, Decision, Forwarded, NotStored, Reason, StandsIn, Why, decide, decide_miss, is_conditional,
    may_answer_conditions,
};
use quick_cache::sync::Cache;

use super::{
    Engine, Exchange, Payload, count, count_hit,
    exchange::{authority, is_read, target},
    forward::Plan,
    serve::Validated,
};
use crate::cache::{Ended, KeyRef, Purged, Stored, Turn, Waited};

/// Turns that a request waits for at most, before it asks on its own.
const MAX_TURNS: usize = 3;

/// Keys whose answers may not be shared are remembered for so long, so that their requests do not wait for each other.
const NOT_SHARED_MS: u64 = 10_000;

/// So many of them: 16 bytes each.
const MAX_NOT_SHARED: usize = 10_000;

/// Keys whose last answer could not be kept.
pub(super) struct NotShared {
    until_ms: Cache<u64, u64>,
    hasher: RandomState,
}

impl Default for NotShared {
    fn default() -> Self {
        Self { until_ms: Cache::new(MAX_NOT_SHARED), hasher: RandomState::new() }
    }
}

impl NotShared {
    pub(super) fn note(&self, key: KeyRef<'_>, now_ms: u64) {
        self.until_ms.insert(self.hasher.hash_one(key), now_ms + NOT_SHARED_MS);
    }

    pub(super) fn forget(&self, key: KeyRef<'_>) {
        self.until_ms.remove(&self.hasher.hash_one(key));
    }

    fn has(&self, key: KeyRef<'_>, now_ms: u64) -> bool {
        self.until_ms.get(&self.hasher.hash_one(key)).is_some_and(|until_ms| now_ms < until_ms)
    }
}

impl Engine {
    /// The answer to a request that needs nothing but what is stored and fresh; `None` for every other. Waits for nothing.
    pub(crate) fn hit(&self, method: &Method, uri: &Uri, request: &HeaderMap) -> Option<Response<Payload>> {
        if !is_read(method) || !may_answer_conditions(request) {
            return None;
        }
        let authority = authority(uri, request);
        let (decision, stored) = self.decide(self.key(&authority, uri), request);
        match (decision, stored) {
            (Decision::Serve(Reason::Fresh), Some(stored)) => {
                let status = CacheStatus { hit: true, ..CacheStatus::default() };
                let answer = self.served(&stored, (method, request), Validated::No, status)?;
                count_hit();
                Some(answer)
            }
            _ => None,
        }
    }

    pub(super) fn decide(&self, key: KeyRef<'_>, request: &HeaderMap) -> (Decision, Option<Arc<Stored>>) {
        let profile = self.setup.profile;
        let stored = match self.shelf.get(key, request) {
            crate::cache::Found::Match(stored) => stored,
            crate::cache::Found::Others => return (decide_miss(profile, request, true), None),
            crate::cache::Found::Nothing => return (decide_miss(profile, request, false), None),
        };
        let purged = match stored.purged(&self.purges) {
            Purged::No => false,
            Purged::Softly => true,
            Purged::Hard => return (decide_miss(profile, request, false), None),
        };
        (decide(profile, request, &stored.lifetime, purged, self.clock.now_ms()), Some(stored))
    }

    /// Answers any request.
    pub(crate) async fn answer(self: &Arc<Self>, exchange: Exchange) -> Response<Payload> {
        let request = &exchange.request;
        if target(request.uri()) == "*" {
            return self.pass(exchange, Forwarded::Method).await;
        }
        // Where everything is asked for whole and plain, conditions for the origin say nothing.
        let readable = self.setup.whole_fills || may_answer_conditions(request.headers());
        match (is_read(request.method()), readable) {
            (true, true) => self.read(exchange).await,
            (true, false) => self.pass(exchange, Forwarded::Bypass).await,
            (false, _) => self.pass(exchange, Forwarded::Method).await,
        }
    }

    async fn read(self: &Arc<Self>, exchange: Exchange) -> Response<Payload> {
        let (uri, headers) = (exchange.request.uri().clone(), exchange.request.headers().clone());
        let method = exchange.request.method().clone();
        let authority = authority(&uri, &headers);
        let key = self.key(&authority, &uri);
        let (mut turn, mut waited): (Option<Turn>, usize) = (None, 0);
        let until = Instant::now() + self.setup.patience;
        let (mut looked, mut second) = (false, false);
        loop {
            let (decision, stored) = self.decide(key, &headers);
            let (why, stands_in) = match (decision, &stored) {
                (Decision::Refuse, _) => return refused(),
                (Decision::Serve(reason), Some(stored)) => {
                    match self.serve_for(reason, stored, (&method, &uri, &headers), (waited > 0, second)) {
                        Some(answer) => return answer,
                        None => (Forwarded::Partial, StandsIn::Never),
                    }
                }
                (Decision::Serve(_), None) => (Forwarded::Because(Why::UriMiss), StandsIn::Never),
                (Decision::Forward { why, stands_in }, _) => (Forwarded::Because(why), stands_in),
            };
            if turn.is_none() && waited < MAX_TURNS && self.may_wait(&method, key, &headers, why) {
                match self.collapse.turn(key, until.saturating_duration_since(Instant::now())).await {
                    // Somebody may have stored it between the decision and this turn: look again.
                    Waited::Lead(lead) => turn = Some(lead),
                    Waited::Ended(Ended::Stored | Ended::Failed) => waited += 1,
                    Waited::Ended(Ended::NotShared) | Waited::TooLong => waited = MAX_TURNS,
                }
                continue;
            }
            if turn.is_some() && !looked && why == Forwarded::Because(Why::UriMiss) {
                looked = true;
                second = self.fetched(key).await;
                if second {
                    continue;
                }
            }
            let plan = Plan { why, stands_in, stored, turn, collapsed: waited > 0 };
            return self.forward(exchange, plan).await;
        }
    }

    /// Remembers a key whose answers are for one request each. What one client's own fields forbade says nothing of the others.
    pub(super) fn note_not_shared(&self, key: KeyRef<'_>, why: Option<NotStored>) {
        if !matches!(why, Some(NotStored::Authorization | NotStored::ClientForbids | NotStored::Status)) {
            self.not_shared.note(key, self.clock.now_ms());
        }
    }

    /// Whether one answer may do for this request and others.
    fn may_wait(&self, method: &Method, key: KeyRef<'_>, headers: &HeaderMap, why: Forwarded) -> bool {
        let sharable = matches!(why, Forwarded::Because(Why::UriMiss | Why::VaryMiss | Why::Stale | Why::Purged));
        let plain = self.setup.whole_fills || !(is_conditional(headers) || headers.contains_key(http::header::RANGE));
        sharable && plain && (*method == Method::GET || self.setup.whole_fills) && !self.not_shared.has(key, self.clock.now_ms())
    }

    fn serve_for(
        self: &Arc<Self>,
        reason: Reason,
        stored: &Arc<Stored>,
        (method, uri, headers): (&Method, &Uri, &HeaderMap),
        (collapsed, second): (bool, bool),
    ) -> Option<Response<Payload>> {
        let (result, detail) = match reason {
            Reason::Fresh if second => ("l2", Some("l2")),
            Reason::Fresh if collapsed => ("collapsed", None),
            Reason::Fresh => ("hit", None),
            Reason::StaleWhileRevalidate => ("stale_while_revalidate", Some("stale-while-revalidate")),
            Reason::MaxStale => ("max_stale", Some("max-stale")),
        };
        let status = CacheStatus { hit: true, collapsed, detail, ..CacheStatus::default() };
        let answer = self.served(stored, (method, headers), Validated::No, status)?;
        count(result);
        if reason == Reason::StaleWhileRevalidate {
            self.revalidate_behind(stored.clone(), uri, headers);
        }
        Some(answer)
    }

    /// Validates a stored answer while the client has it already. One at a time for each key.
    fn revalidate_behind(self: &Arc<Self>, stored: Arc<Stored>, uri: &Uri, headers: &HeaderMap) {
        let authority = authority(uri, headers);
        let Some(turn) = self.collapse.try_turn(self.key(&authority, uri)) else { return };
        let exchange = Exchange::repeated(headers, uri);
        let plan = Plan {
            why: Forwarded::Because(Why::Stale),
            stands_in: StandsIn::OnError,
            stored: Some(stored),
            turn: Some(turn),
            collapsed: false,
        };
        let this = self.clone();
        // What comes of it is stored; the next request sees it.
        tokio::spawn(async move { drop(this.forward(exchange, plan).await) });
    }
}

/// `only-if-cached`, and nothing usable is stored (RFC 9111 section 5.2.1.7).
fn refused() -> Response<Payload> {
    let mut answer = Response::new(Payload::empty());
    *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
    let status = CacheStatus { detail: Some("only-if-cached"), ..CacheStatus::default() };
    answer.headers_mut().insert(super::serve::CACHE_STATUS, status.header());
    answer
}
