//! What routes and pages do with the services behind: fetch through the cache, talk to the shopper's home region.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, response::IntoResponse};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use orders_api::{SESSION_COOKIE, paths};
use storefront_service::ProblemResponse;
use storefront_types::{CallContext, Problem, ProblemType, Region};
use tokio_util::task::TaskTracker;

use crate::{
    checkout::WaitingRoom,
    config::RegionAddress,
    engine::{Engine, Exchange, Payload, Unasked},
    leader::LeaderView,
    live::Live,
    pages::KeptPages,
    upstream::{Answer, Upstream, UpstreamError},
};

/// Longest wait for the catalog.
pub(crate) const CATALOG_TIMEOUT: Duration = Duration::from_secs(2);

/// Largest catalog answer that a page is made of.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Longest wait for carts, accounts and history.
const ORDERS_TIMEOUT: Duration = Duration::from_secs(4);

pub(crate) struct Storefront {
    pub(crate) region: Region,
    pub(crate) upstream: Upstream,
    pub(crate) catalog: String,
    pub(crate) orders: Vec<RegionAddress>,
    pub(crate) leader: Arc<LeaderView>,
    /// Checkouts under way, whether or not somebody still waits for their answers.
    pub(crate) work: TaskTracker,
    pub(crate) waiting: WaitingRoom,
    pub(crate) cache: Arc<Engine>,
    pub(crate) live: Arc<Live>,
    pub(crate) kept_pages: KeptPages,
}

impl Storefront {
    /// A catalog answer through the cache, whole. `path` is path and query; fields of a request that select another form of the answer
    /// are the caller's to give.
    pub(crate) async fn fetch(&self, context: &CallContext, path: &str, headers: &HeaderMap) -> Result<Answer, Problem> {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().map_err(|_| Problem::new(ProblemType::NotFound))?;
        *request.headers_mut() = headers.clone();
        let answer = self.through_cache(context, Exchange::new(request)).await;
        let (parts, payload) = answer.into_parts();
        let body = Limited::new(payload, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| Problem::new(ProblemType::BadGateway))?.to_bytes();
        Ok(Answer { status: parts.status, headers: parts.headers, body })
    }

    /// The cache's answer; one that the catalog did not give is a problem document.
    pub(crate) async fn through_cache(&self, context: &CallContext, mut exchange: Exchange) -> Response<Payload> {
        for (name, value) in context.headers() {
            if let Ok(value) = HeaderValue::from_str(&value) {
                exchange.request.headers_mut().insert(name, value);
            }
        }
        let answer = self.cache.answer(exchange).await;
        let unasked = answer.extensions().get::<Unasked>().is_some();
        if !unasked && !matches!(answer.status(), StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) {
            return answer;
        }
        let detail = if unasked { "the catalog takes no more now; come back in a second" } else { "the catalog does not answer" };
        let problem = Problem::new(ProblemType::Unavailable).detail(detail);
        let (parts, body) = ProblemResponse(problem).into_response().into_parts();
        Response::from_parts(parts, Payload::Streamed(body))
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
        let instances = self.upstream.usable(&self.orders_from(home.as_ref()));
        // A read, a ticket and the settling of a cart may be repeated; anything else may have been done.
        let repeatable = target.0 == Method::GET || [paths::TICKET, paths::SETTLE_CART].contains(&target.1);
        let mut failed: Option<Answer> = None;
        for (nth, address) in instances.iter().enumerate() {
            // A slow answer to a read is waited for at the next instance as well.
            let other = instances.get(nth + 1).unwrap_or(address);
            let asked = match target.0 {
                Method::GET => self.upstream.read(context, (address, other), target.1, headers, ORDERS_TIMEOUT).await,
                _ => self.upstream.call(context, address, target.clone(), headers, body.clone(), ORDERS_TIMEOUT).await,
            };
            let is_last = nth + 1 == instances.len();
            match asked {
                Ok(answer) => {
                    self.leader.take_hint(&answer.headers);
                    if !(answer.status.is_server_error() && repeatable) || is_last || !self.upstream.may_repeat("read") {
                        return Ok(answer);
                    }
                    failed = Some(answer);
                }
                Err(error @ (UpstreamError::Broken { .. } | UpstreamError::Full { .. })) => {
                    tracing::debug!(%error, "trying another region");
                }
                Err(error) if error.is_unsent() || repeatable => {
                    tracing::info!(%error, "trying another region");
                    if !is_last && !self.upstream.may_repeat("unreachable") {
                        break;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "the outcome is not known");
                    return Err(
                        Problem::new(ProblemType::UpstreamTimeout).detail("it may have been done; look before repeating it")
                    );
                }
            }
        }
        failed.ok_or_else(|| Problem::new(ProblemType::Unavailable).detail("no region answers; come back in a second"))
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
