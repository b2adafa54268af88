//! What routes and pages do with the services behind: fetch through the cache, talk to the shopper's home region.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use bytes::Bytes;
use catalog_api::SURROGATE_KEY_HEADER;
use http::{HeaderMap, HeaderValue, Method, header};
use inventory_api::{LEADER_HEADER, TERM_HEADER};
use orders_api::{SESSION_COOKIE, paths};
use storefront_types::{CallContext, Problem, ProblemType, Region};

use crate::{
    cache::{Cache, Collapse, MAX_ANSWER_BYTES, Stored},
    config::RegionAddress,
    leader::LeaderView,
    policy::{self, Decision, Fetch},
    upstream::{Answer, Upstream, UpstreamError},
};

/// Longest wait for the catalog.
const CATALOG_TIMEOUT: Duration = Duration::from_secs(2);

/// Longest wait for carts, accounts and history.
const ORDERS_TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct Storefront {
    pub(crate) region: Region,
    pub(crate) upstream: Upstream,
    pub(crate) catalog: String,
    pub(crate) orders: Vec<RegionAddress>,
    pub(crate) leader: Arc<LeaderView>,
    pub(crate) cache: Cache,
    pub(crate) collapse: Collapse,
}

/// An answer and how the cache came to it, for `Cache-Status` (RFC 9211).
pub(crate) struct Cached {
    pub(crate) answer: Answer,
    pub(crate) status: String,
    pub(crate) age_s: Option<u64>,
}

fn from_stored(stored: &Stored, status: &str, age_s: u64) -> Cached {
    let answer = Answer { status: stored.status, headers: stored.headers.clone(), body: stored.body.clone() };
    Cached { answer, status: status.to_owned(), age_s: Some(age_s) }
}

fn count(result: &'static str) {
    metrics::counter!("edge_cache_total", "result" => result).increment(1);
}

impl Storefront {
    /// A catalog answer through the cache. `path` is path and query; the request's own headers only tell how fresh it must be.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        context: &CallContext,
        path: &str,
        request: &HeaderMap,
    ) -> Result<Cached, Problem> {
        let stored = self.cache.get(path);
        let known = stored.as_ref().map(|(stored, soft)| (stored, stored.received.elapsed().as_secs(), *soft));
        let soft = known.as_ref().is_some_and(|(.., soft)| *soft);
        match policy::decide(request, known.as_ref().map(|(stored, resident, _)| (&stored.lifetime, *resident)), soft) {
            Decision::Fresh { age_s } => {
                count("hit");
                // Decided from a stored answer, so it is there.
                let Some((stored, ..)) = known else { return Err(Problem::new(ProblemType::Internal)) };
                Ok(from_stored(stored, "hit", age_s))
            }
            Decision::StaleWhileRevalidate { age_s } => {
                count("stale_while_revalidate");
                let Some((stored, ..)) = known else { return Err(Problem::new(ProblemType::Internal)) };
                if !self.collapse.is_under_way(path) {
                    let (this, path, context) = (self.clone(), path.to_owned(), context.clone());
                    tokio::spawn(async move {
                        // The next request sees what came of it.
                        let _ = this.ask(&context, &path, Fetch::Stale { usable_on_error: true }).await;
                    });
                }
                Ok(from_stored(stored, "hit; detail=stale-while-revalidate", age_s))
            }
            Decision::Ask(why) => self.ask(context, path, why).await,
        }
    }

    /// Asks the catalog, one request for all that want the same.
    async fn ask(&self, context: &CallContext, path: &str, why: Fetch) -> Result<Cached, Problem> {
        let before = self.cache.get(path).map(|(stored, _)| stored.received);
        let _turn = self.collapse.turn(path, CATALOG_TIMEOUT).await;
        // Somebody may have asked between the decision and this turn: the cache is looked at again, with or without a turn.
        if !matches!(why, Fetch::Required { .. })
            && let Some((stored, false)) = self.cache.get(path)
            && Some(stored.received) != before
        {
            count("collapsed");
            let age_s = stored.lifetime.age_s(stored.received.elapsed().as_secs());
            return Ok(from_stored(&stored, "hit; collapsed", age_s));
        }
        let stored = self.cache.get(path).map(|(stored, _)| stored);
        let mut headers = HeaderMap::new();
        if let Some(etag) = stored.as_ref().and_then(|stored| stored.headers.get(header::ETAG)) {
            headers.insert(header::IF_NONE_MATCH, etag.clone());
        }
        let generation = self.cache.ticket();
        let asked =
            self.upstream.call(context, &self.catalog, (Method::GET, path), &headers, Bytes::new(), CATALOG_TIMEOUT).await;
        let why_text = match why {
            Fetch::Miss => "fwd=uri-miss",
            Fetch::Stale { .. } => "fwd=stale",
            Fetch::Required { .. } => "fwd=request",
        };
        let usable =
            |usable: Fetch| matches!(usable, Fetch::Stale { usable_on_error: true } | Fetch::Required { usable_on_error: true });
        match (asked, stored) {
            (Ok(answer), Some(stored)) if answer.status == http::StatusCode::NOT_MODIFIED => {
                count("revalidated");
                let mut headers = stored.headers.clone();
                // A 304 updates what is stored (RFC 9111 section 3.2); a header that comes in several lines keeps them.
                for name in answer.headers.keys().filter(|name| **name != header::CONTENT_LENGTH) {
                    headers.remove(name);
                    for value in answer.headers.get_all(name) {
                        headers.append(name.clone(), value.clone());
                    }
                }
                let renewed = Answer { status: stored.status, headers, body: stored.body.clone() };
                self.keep(path, &renewed, generation);
                Ok(Cached { answer: renewed, status: format!("{why_text}; fwd-status=304"), age_s: None })
            }
            (Ok(answer), stored) if !answer.status.is_server_error() || stored.is_none() || !usable(why) => {
                count("miss");
                let kept = self.keep(path, &answer, generation);
                let status = format!("{why_text}; fwd-status={}{}", answer.status.as_u16(), if kept { "; stored" } else { "" });
                Ok(Cached { answer, status, age_s: None })
            }
            (_, Some(stored)) if usable(why) => {
                count("stale_if_error");
                let age_s = stored.lifetime.age_s(stored.received.elapsed().as_secs());
                Ok(from_stored(&stored, "hit; detail=stale-if-error", age_s))
            }
            (asked, _) => {
                count("failed");
                if let Err(error) = asked {
                    tracing::warn!(%error, "the catalog is away");
                }
                Err(Problem::new(ProblemType::Unavailable).detail("the catalog does not answer"))
            }
        }
    }

    fn keep(&self, path: &str, answer: &Answer, generation: u64) -> bool {
        let storable = policy::storable(&Method::GET, &HeaderMap::new(), answer.status, &answer.headers);
        let lifetime = match storable {
            Ok(lifetime) if answer.body.len() <= MAX_ANSWER_BYTES => lifetime,
            refused => {
                let reason = refused.err().unwrap_or(policy::NotStored::TooLarge);
                tracing::debug!(?reason, path, "not stored");
                return false;
            }
        };
        let tags = answer.headers.get_all(SURROGATE_KEY_HEADER).iter().filter_map(|value| value.to_str().ok());
        let mut tags: BTreeSet<String> = tags.flat_map(str::split_whitespace).map(str::to_owned).collect();
        if tags.iter().any(|tag| tag.starts_with("product:")) {
            tags.insert("product".to_owned());
        }
        let stored = Stored {
            status: answer.status,
            headers: answer.headers.clone(),
            body: answer.body.clone(),
            lifetime,
            received: std::time::Instant::now(),
            generation,
        };
        self.cache.put(path.to_owned(), stored, &tags);
        true
    }

    /// `orders` instances in the order to be asked: the wanted region's first, then this region's, then the others.
    pub(crate) fn orders_from(&self, wanted: Option<&Region>) -> Vec<&str> {
        let mut all: Vec<&RegionAddress> = self.orders.iter().collect();
        all.sort_by_key(|at| (Some(&at.region) != wanted, at.region != self.region));
        all.into_iter().map(|at| at.address.as_str()).collect()
    }

    /// Sends a shopper's request to the home region of the session, or to another region's instance when that one cannot be reached.
    pub(crate) async fn at_home(
        &self,
        context: &CallContext,
        target: (Method, &str),
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Answer, Problem> {
        let home = home_region(headers);
        for address in self.orders_from(home.as_ref()) {
            match self.upstream.call(context, address, target.clone(), headers, body.clone(), ORDERS_TIMEOUT).await {
                Ok(answer) => {
                    self.take_hint(&answer.headers);
                    return Ok(answer);
                }
                Err(error @ UpstreamError::Unreachable { .. }) => tracing::info!(%error, "trying another region"),
                // A read, a ticket and the settling of a cart may be repeated; anything else may have been done.
                Err(error) if target.0 == Method::GET || [paths::TICKET, paths::SETTLE_CART].contains(&target.1) => {
                    tracing::info!(%error, "trying another region")
                }
                Err(error) => {
                    tracing::warn!(%error, "the outcome is not known");
                    return Err(
                        Problem::new(ProblemType::UpstreamTimeout).detail("it may have been done; look before repeating it")
                    );
                }
            }
        }
        Err(Problem::new(ProblemType::Unavailable).detail("no region answers"))
    }

    pub(crate) fn take_hint(&self, headers: &HeaderMap) {
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if let (Some(address), Some(term)) = (text(LEADER_HEADER), text(TERM_HEADER).and_then(|term| term.parse().ok())) {
            self.leader.hint(term, address);
        }
    }
}

/// The region at the front of the session token; a hint for routing and no claim.
pub(crate) fn home_region(headers: &HeaderMap) -> Option<Region> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let bearer = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
    let bearer = bearer.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let token = bearer.or_else(|| pairs.find(|(name, _)| *name == SESSION_COOKIE).map(|(_, value)| value))?;
    token.split_once('_')?.0.parse().ok()
}
