//! The gate that every request passes which the cache has not answered: who asks too often is told when to come back, and what this
//! edge does not carry is shed, browsing first.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, header};
use storefront_service::{DEADLINE_HEADER, ProblemResponse};
use storefront_types::{Problem, ProblemType, Region};

use super::{
    ProtectArgs,
    adaptive::{AdaptiveSettings, Standing},
    class::{CLASSES, Class, Places},
    client::{self, Network},
    rate::{Key, Rates, Verdict},
};
use crate::door::Caller;

/// Requests under way at least, however late work runs: with fewer a processor would wait for them.
const FEWEST: usize = 64;

/// Between two looks at how late work runs.
const LOOK: Duration = Duration::from_millis(5);

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Whom a request is counted for, put beside it on its way in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) u128);

#[derive(Clone, Debug)]
pub(crate) struct Gate {
    region: HeaderValue,
    proxies: Arc<[Network]>,
    pub(crate) rates: Arc<Rates>,
    pub(crate) began: Instant,
    places: Arc<Places>,
    settings: AdaptiveSettings,
    /// What each runtime that is measured carries; the least counts.
    carried: Arc<Mutex<Vec<usize>>>,
}

impl Gate {
    pub(crate) fn new(region: &Region, args: &ProtectArgs) -> Self {
        let settings = AdaptiveSettings { fewest: FEWEST.min(args.max_requests), most: args.max_requests, slack: args.max_lag() };
        Self {
            region: HeaderValue::from_str(region.as_str()).unwrap_or(HeaderValue::from_static("unknown")),
            proxies: args.trusted_proxies.clone().into(),
            rates: Arc::new(Rates::new(args.limits(), args.limit_clients)),
            began: Instant::now(),
            places: Arc::new(Places::new(args.max_requests)),
            settings,
            carried: Arc::default(),
        }
    }

    fn carried(&self) -> MutexGuard<'_, Vec<usize>> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn client(&self, request: &Request) -> Client {
        let peer = request.extensions().get::<Caller>().map(|caller| caller.address.ip());
        // Without a peer, which only a wrongly built server leaves out, all are one client.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let forwarded = request.headers().get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let client = client::client(peer, forwarded.collect::<Vec<_>>().into_iter(), &self.proxies);
        Client(client::number(client))
    }

    fn too_often(&self, class: Class, retry_in: Duration) -> Response {
        metrics::counter!("edge_rate_limited_total", "class" => class.name()).increment(1);
        let seconds = retry_in.as_secs() + u64::from(retry_in.subsec_nanos() > 0);
        let detail =
            format!("come back in {seconds} s; the headers RateLimit-Policy and RateLimit say how often is not too often");
        let mut response = ProblemResponse(Problem::new(ProblemType::TooManyRequests).detail(detail)).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        self.tell_limit(&mut response, class, 0, seconds);
        response
    }

    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10).
    fn tell_limit(&self, response: &mut Response, class: Class, remaining: u32, reset_s: u64) {
        let limit = self.rates.limit(class);
        // The quota of a window: what the bucket holds, over the time in which it fills.
        let window_s = limit.burst.div_ceil(limit.per_second.max(1));
        let policy = format!("\"{}\";q={};w={window_s}", class.name(), limit.burst);
        let state = format!("\"{}\";r={remaining};t={reset_s}", class.name());
        for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, state)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().insert(name, value);
            }
        }
    }
}

/// Lets a request in or refuses it, and says on every answer which edge gave it.
pub(crate) async fn guard(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    // Deadlines begin here: one of a stranger's would end the request that others wait for with it, and count as a failure.
    request.headers_mut().remove(DEADLINE_HEADER);
    let class = Class::of_request(request.method(), request.uri().path());
    let mut response = admitted(&gate, class, request, next).await;
    let headers = response.headers_mut();
    headers.insert("x-edge-region", gate.region.clone());
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

async fn admitted(gate: &Gate, class: Class, mut request: Request, next: Next) -> Response {
    // Places first: the cheaper of the two questions, which under overload is the only one for most.
    let Some(_place) = gate.places.enter(class) else {
        metrics::counter!("edge_shed_total", "class" => class.name()).increment(1);
        let detail = "this edge has more to do than it carries; come back in a second";
        return ProblemResponse(Problem::new(ProblemType::Unavailable).detail(detail)).into_response();
    };
    let client = gate.client(&request);
    match gate.rates.take(Key { client: client.0, class }, gate.began.elapsed()) {
        Verdict::Over { retry_in } => gate.too_often(class, retry_in),
        Verdict::Within { remaining } => {
            request.extensions_mut().insert(client);
            let mut response = next.run(request).await;
            if class != Class::Browse && remaining < u32::MAX {
                gate.tell_limit(&mut response, class, remaining, 1);
            }
            response
        }
    }
}

/// Looks for ever how late the work of the runtime it is spawned on runs, and has fewer requests at once while it is late all the time.
/// To be spawned once on each runtime that serves.
///
/// A timer's lateness is the wait of everything that is ready to run, whatever it waits for: a processor, or its turn on it.
pub(crate) async fn measure(gate: Gate) {
    let mut standing = Standing::new(gate.settings);
    let nth = {
        let mut carried = gate.carried();
        carried.push(gate.settings.most);
        carried.len() - 1
    };
    loop {
        let asleep = Instant::now();
        tokio::time::sleep(LOOK).await;
        let late = asleep.elapsed().saturating_sub(LOOK);
        let under_way = gate.places.under_way();
        let own = standing.take(gate.began.elapsed(), late, under_way.iter().sum());
        let limit = {
            let mut carried = gate.carried();
            carried[nth] = own;
            carried.iter().copied().min().unwrap_or(own)
        };
        if limit != gate.places.limit() {
            gate.places.set_limit(limit);
            metrics::gauge!("edge_places").set(limit as f64);
        }
        for class in CLASSES {
            metrics::gauge!("edge_requests_under_way", "class" => class.name()).set(under_way[class.nth()] as f64);
        }
    }
}
