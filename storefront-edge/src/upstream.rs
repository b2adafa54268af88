//! Calls to the services behind: one pool of kept connections, a deadline for each call, bounded answers, and no more load than an
//! instance carries.
//!
//! Owns: breakers, places and ejection by instance, the budget of everything sent a second time. Must not: know routes, or ask an
//! address that the configuration does not name.

mod breaker;
mod ejection;
mod instance;
mod latency;

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::Client,
    rt::{TokioExecutor, TokioTimer},
};
use storefront_service::DEADLINE_HEADER;
use storefront_tls::Connector;
use storefront_types::CallContext;
use tower::retry::budget::{Budget, TpsBudget};

pub(crate) use breaker::BreakerSettings;
use http_cache_policy::end_to_end;
use instance::{Instance, Instances, Refused};

use crate::protect::{AdaptiveSettings, Class};

const DEADLINE: HeaderName = HeaderName::from_static(DEADLINE_HEADER);

/// Largest answer taken from a service.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// Longest wait for a connection, and again for a handshake on it.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Idle connections kept to each instance, and for how long.
const MAX_IDLE: usize = 256;
const IDLE: Duration = Duration::from_secs(60);

/// What is sent a second time, as a retry or a hedge: a fifth of what was sent in the last ten seconds, and two a second besides,
/// so that a quiet edge may retry at all.
const EXTRA_SHARE: f32 = 0.2;
const EXTRA_WINDOW: Duration = Duration::from_secs(10);
const EXTRA_PER_SECOND: u32 = 2;

/// Requests under way to one instance: at most, and at least however slow it is.
const MOST_AT_ONCE: usize = 2_048;
const FEWEST_AT_ONCE: usize = 4;

/// Answers may take twice as long as in quiet times and so much more before a queue is presumed.
const SLACK: Duration = Duration::from_millis(20);

/// The same of instances that can stand in for each other, which are those of `orders`: a change of a cart waits for an SQL commit that it
/// shares with others, and on a busy machine for its turn on a processor. Half of the quarter second that a checkout may take.
const SLACK_OF_CHANGES: Duration = Duration::from_millis(125);

/// Why a service gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// The request never arrived: another instance may be asked, whatever the method.
    #[error("{address} cannot be reached")]
    Unreachable { address: String },
    /// Nothing was sent: it failed lately.
    #[error("{address} failed lately and is left alone for a moment")]
    Broken { address: String },
    /// Nothing was sent: it has as much to do as it carries.
    #[error("{address} carries no more now")]
    Full { address: String },
    /// The request may have been worked on.
    #[error("{address} did not answer properly within {timeout:?}")]
    NoAnswer { address: String, timeout: Duration },
}

impl UpstreamError {
    /// Whether the instance certainly has not seen the request.
    pub(crate) fn is_unsent(&self) -> bool {
        !matches!(self, Self::NoAnswer { .. })
    }
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// How instances are protected.
#[derive(Clone, Debug)]
pub(crate) struct Protection {
    pub(crate) breaker: BreakerSettings,
    pub(crate) places: AdaptiveSettings,
    /// Requests are refused beyond what an instance carries.
    pub(crate) limited: bool,
    pub(crate) hedged: bool,
}

impl Default for Protection {
    fn default() -> Self {
        let places = AdaptiveSettings { fewest: FEWEST_AT_ONCE, most: MOST_AT_ONCE, slack: SLACK };
        Self { breaker: BreakerSettings::default(), places, limited: true, hedged: true }
    }
}

impl Protection {
    /// Nothing between a request and its origin: each gets its own answer or its own failure.
    pub(crate) fn off() -> Self {
        let breaker = BreakerSettings { consecutive: u32::MAX, max_failed_percent: 101, ..BreakerSettings::default() };
        Self { breaker, limited: false, hedged: false, ..Self::default() }
    }
}

#[derive(Clone)]
pub(crate) struct Upstream {
    client: Client<Connector, Body>,
    instances: Arc<Instances>,
    extra: Arc<TpsBudget>,
    limited: bool,
    hedged: bool,
}

/// What is asked: the same for every instance that is asked it.
#[derive(Clone, Copy)]
struct Asked<'a> {
    context: &'a CallContext,
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    body: &'a Bytes,
}

impl Upstream {
    /// To services of our own, on a private network.
    pub(crate) fn new(protection: Protection) -> Self {
        Self::over(Connector::plaintext(), protection)
    }

    pub(crate) fn over(connector: Connector, protection: Protection) -> Self {
        let connector = connector.within(CONNECT_TIMEOUT);
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE).pool_max_idle_per_host(MAX_IDLE);
        let (limited, hedged) = (protection.limited, protection.hedged);
        let extra = Arc::new(TpsBudget::new(EXTRA_WINDOW, EXTRA_PER_SECOND, EXTRA_SHARE));
        let instances = Arc::new(Instances::new(protection));
        Self { client: client.build(connector), instances, extra, limited, hedged }
    }

    /// These can stand in for each other: one that fails while the others do not is left out for a while.
    pub(crate) fn group(&self, addresses: &[String]) {
        self.instances.group(addresses, SLACK_OF_CHANGES);
    }

    /// Those of a group to be asked, in their order; those that failed lately last, and those taken out not at all.
    pub(crate) fn usable<'a>(&self, addresses: &[&'a str]) -> Vec<&'a str> {
        let known: Vec<_> = addresses.iter().map(|address| (*address, self.instances.get(address))).collect();
        let mut usable: Vec<_> = known.iter().filter(|(_, instance)| !instance.is_out()).collect();
        usable.sort_by_key(|(_, instance)| instance.is_open());
        usable.into_iter().map(|(address, _)| *address).collect()
    }

    /// Whether the budget has room for sending something a second time.
    pub(crate) fn may_repeat(&self, why: &'static str) -> bool {
        let may = self.extra.withdraw();
        let name = if may { "edge_repeats_total" } else { "edge_repeats_refused_total" };
        metrics::counter!(name, "why" => why).increment(1);
        may
    }

    /// Sends one request and takes the whole answer; a GET that takes longer than nearly all do is sent a second time.
    /// `path` is path and query as they came.
    pub(crate) async fn call(
        &self,
        context: &CallContext,
        address: &str,
        (method, path): (Method, &str),
        headers: &HeaderMap,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Answer, UpstreamError> {
        let asked = Asked { context, method: &method, path, headers, body: &body };
        self.extra.deposit();
        match method {
            Method::GET | Method::HEAD if self.hedged => self.hedged(asked, (address, address), timeout).await,
            _ => self.ask(asked, address, timeout).await,
        }
    }

    /// Reads from the first of them; from the second as well when the first takes longer than it nearly always does.
    pub(crate) async fn read(
        &self,
        context: &CallContext,
        (first, second): (&str, &str),
        path: &str,
        headers: &HeaderMap,
        timeout: Duration,
    ) -> Result<Answer, UpstreamError> {
        self.extra.deposit();
        let asked = Asked { context, method: &Method::GET, path, headers, body: &Bytes::new() };
        self.hedged(asked, (first, second), timeout).await
    }

    async fn hedged(&self, asked: Asked<'_>, (first, second): (&str, &str), timeout: Duration) -> Result<Answer, UpstreamError> {
        let mut answer = std::pin::pin!(self.ask(asked, first, timeout));
        let Some(after) = self.instances.get(first).hedge_after(timeout) else { return answer.await };
        tokio::select! {
            biased;
            answered = &mut answer => return answered,
            () = tokio::time::sleep(after) => {}
        }
        if !self.may_repeat("hedge") {
            return answer.await;
        }
        let other = self.ask(asked, second, timeout.saturating_sub(after));
        first_good(answer, other, |answer| answer.status).await
    }

    async fn ask(&self, asked: Asked<'_>, address: &str, timeout: Duration) -> Result<Answer, UpstreamError> {
        let instance = self.instances.get(address);
        let mut entered = enter(&instance, Class::of_request(asked.method, asked.path), self.limited)?;
        let no_answer = || UpstreamError::NoAnswer { address: address.to_owned(), timeout };
        let request = request(asked, address, timeout).map_err(|_| no_answer())?;
        let exchange = async {
            let answer = self.client.request(request).await.map_err(|error| match error.is_connect() {
                true => UpstreamError::Unreachable { address: address.to_owned() },
                false => no_answer(),
            })?;
            let (parts, body) = answer.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|_| no_answer())?.to_bytes();
            Ok(Answer { status: parts.status, headers: end_to_end(&parts.headers), body })
        };
        match tokio::time::timeout(timeout, exchange).await {
            Ok(Ok(answer)) => {
                entered.answered(answer.status);
                Ok(answer)
            }
            Ok(Err(error)) => {
                entered.failed(true);
                Err(error)
            }
            Err(_) => {
                entered.failed(false);
                Err(no_answer())
            }
        }
    }

    /// Passes a request on and its answer back as it comes: `uri` is absolute, the headers go out as they are, and the head of the
    /// answer must be here within `timeout`. The breaker counts; the body, in both directions, is the caller's. A GET without a body
    /// that takes longer than nearly all do is sent a second time, without its extensions.
    pub(crate) async fn send(&self, request: Request<Body>, timeout: Duration) -> Result<Response<Incoming>, UpstreamError> {
        let address = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
        let instance = self.instances.get(&address);
        self.extra.deposit();
        let repeatable = self.hedged && matches!(*request.method(), Method::GET | Method::HEAD) && request.body().is_end_stream();
        let after = if repeatable { instance.hedge_after(timeout) } else { None };
        let again = after.map(|after| (after, same_without_body(&request)));
        let mut answer = std::pin::pin!(self.send_once(&instance, request, timeout));
        let Some((after, again)) = again else { return answer.await };
        tokio::select! {
            biased;
            answered = &mut answer => return answered,
            () = tokio::time::sleep(after) => {}
        }
        if !self.may_repeat("hedge") {
            return answer.await;
        }
        let other = self.send_once(&instance, again, timeout.saturating_sub(after));
        first_good(answer, other, Response::status).await
    }

    async fn send_once(
        &self,
        instance: &Arc<Instance>,
        mut request: Request<Body>,
        timeout: Duration,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let mut entered = enter(instance, Class::of_request(request.method(), request.uri().path()), self.limited)?;
        let no_answer = || UpstreamError::NoAnswer { address: instance.address.clone(), timeout };
        if self.limited {
            request.headers_mut().insert(DEADLINE, left_ms(timeout));
        }
        match tokio::time::timeout(timeout, self.client.request(request)).await {
            Ok(Ok(answer)) => {
                entered.answered(answer.status());
                Ok(answer)
            }
            Ok(Err(error)) => {
                entered.failed(true);
                Err(match error.is_connect() {
                    true => UpstreamError::Unreachable { address: instance.address.clone() },
                    false => no_answer(),
                })
            }
            Err(_) => {
                entered.failed(false);
                Err(no_answer())
            }
        }
    }
}

fn won(first: bool) {
    metrics::counter!("edge_hedges_total", "won" => if first { "first" } else { "second" }).increment(1);
}

fn same_without_body(request: &Request<Body>) -> Request<Body> {
    let mut same = Request::new(Body::empty());
    *same.method_mut() = request.method().clone();
    *same.uri_mut() = request.uri().clone();
    *same.version_mut() = request.version();
    *same.headers_mut() = request.headers().clone();
    same
}

/// Nobody waits longer, so nothing behind needs to go on for longer.
fn left_ms(timeout: Duration) -> HeaderValue {
    HeaderValue::from(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX))
}

/// The first good answer of two; one that fails leaves it to the other.
async fn first_good<A>(
    mut first: Pin<&mut impl Future<Output = Result<A, UpstreamError>>>,
    second: impl Future<Output = Result<A, UpstreamError>>,
    status: fn(&A) -> StatusCode,
) -> Result<A, UpstreamError> {
    let mut second = std::pin::pin!(second);
    tokio::select! {
        answered = &mut first => match answered {
            Ok(answer) if !status(&answer).is_server_error() => { won(true); Ok(answer) }
            failed => second.await.or(failed).inspect(|_| won(false)),
        },
        answered = &mut second => match answered {
            Ok(answer) if !status(&answer).is_server_error() => { won(false); Ok(answer) }
            _ => first.await.inspect(|_| won(true)),
        },
    }
}

fn enter(instance: &Arc<Instance>, class: Class, limited: bool) -> Result<instance::Entered<'_>, UpstreamError> {
    let address = || instance.address.clone();
    instance.enter(class, limited).map_err(|refused| match refused {
        Refused::Broken => UpstreamError::Broken { address: address() },
        Refused::Full => UpstreamError::Full { address: address() },
    })
}

fn request(asked: Asked<'_>, address: &str, timeout: Duration) -> http::Result<Request<Body>> {
    let mut request = Request::builder().method(asked.method).uri(format!("http://{address}{}", asked.path));
    if let Some(ours) = request.headers_mut() {
        *ours = end_to_end(asked.headers);
        // Set by the client library for what is really sent.
        ours.remove(header::HOST);
        ours.remove(header::CONTENT_LENGTH);
        for (name, value) in asked.context.headers() {
            if let Ok(value) = HeaderValue::from_str(&value) {
                ours.insert(name, value);
            }
        }
        ours.insert(DEADLINE, left_ms(timeout));
    }
    request.body(Body::from(asked.body.clone()))
}
