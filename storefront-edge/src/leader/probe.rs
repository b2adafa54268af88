//! Listens to two nodes all the time, and to all of them while no leader is known.
//!
//! A question waits at the node until its view changes, so a new leader is known here as soon as a node knows it. Only configured
//! addresses are asked, whatever members a node tells of.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Full, Limited};
use inventory_api::{ClusterView, paths};
use storefront_service::background_context;
use storefront_tls::{Connector, HttpClient, Tls, Wanted};

use super::{LeaderView, view};

/// How long a node keeps a question while a leader is known, and while none is.
const KNOWN: Duration = Duration::from_millis(2_000);
const UNKNOWN: Duration = Duration::from_millis(400);

/// And so much longer until it counts as silent.
const GRACE: Duration = Duration::from_millis(600);

/// Before the next question to a node that does not answer, or answers without waiting, made uneven so that edges do not ask in step.
const PAUSE: Duration = Duration::from_millis(50);

/// The same while a leader is known.
const LONG_PAUSE: Duration = Duration::from_millis(500);

/// A node's view of the cluster; one of five members has a kilobyte.
const MAX_VIEW_BYTES: usize = 64 * 1024;

struct Probe {
    leader: Arc<LeaderView>,
    http: HttpClient<Full<Bytes>>,
    listened_to: Mutex<[usize; 2]>,
}

/// Asks for ever.
pub(crate) async fn probe(leader: Arc<LeaderView>, tls: Option<Tls>) {
    let http = HttpClient::new(Connector::of(tls.as_ref(), Wanted::AnyNode));
    let members = leader.members.len();
    // Edges begin with different nodes.
    let first = usize::from(uuid::Uuid::new_v4().as_bytes()[0]) % members.max(1);
    let listened_to = Mutex::new([first, (first + 1) % members.max(1)]);
    let probe = Probe { leader, http, listened_to };
    futures_util::future::join_all((0..members).map(|node| probe.listen(node))).await;
}

fn uneven(pause: Duration) -> Duration {
    pause + pause.mul_f32(f32::from(uuid::Uuid::new_v4().as_bytes()[0]) / 256.0)
}

impl Probe {
    async fn listen(&self, node: usize) {
        let mut known = None;
        let mut changes = self.leader.standing.subscribe();
        loop {
            let led = self.leader.region().is_some();
            if led && !self.lock().contains(&node) {
                known = None;
                // What it said once must not outlive what the others say now.
                self.leader.silent(node);
                // Woken when the leader is lost; once a pause, in case the place of a silent node has to be taken.
                let _ = tokio::time::timeout(LONG_PAUSE, changes.changed()).await;
                continue;
            }
            let began = Instant::now();
            let wait = if led { KNOWN } else { UNKNOWN };
            let answered = tokio::time::timeout(wait + GRACE, self.ask(node, known, wait)).await.ok().flatten();
            let was = known;
            match answered {
                Some(view) => {
                    known = Some((view.term, view.leader.as_ref().map_or(0, |leader| leader.id)));
                    self.leader.answered(node, view.term, view.leader.as_ref().map(|leader| leader.address.as_str()));
                }
                None => {
                    known = None;
                    self.leader.silent(node);
                    let mut listened_to = self.lock();
                    *listened_to = view::listened_to(*listened_to, node, self.leader.members.len());
                }
            }
            // It waited, or has news: the next question may follow at once.
            let in_step = known.is_some() && (known != was || began.elapsed() >= wait / 2);
            if !in_step {
                tokio::time::sleep(uneven(if led { LONG_PAUSE } else { PAUSE })).await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, [usize; 2]> {
        self.listened_to.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(&self, node: usize, known: Option<(u64, u64)>, wait: Duration) -> Option<ClusterView> {
        let address = &self.leader.members.get(node)?.address;
        let query = known.map(|(term, leader)| format!("?known_term={term}&known_leader={leader}&wait_ms={}", wait.as_millis()));
        let mut request = Request::builder().uri(format!("http://{address}{}{}", paths::CLUSTER, query.unwrap_or_default()));
        for (name, value) in background_context().headers() {
            request = request.header(name, HeaderValue::try_from(value).ok()?);
        }
        let answer = self.http.send(request.body(Full::default()).ok()?).await;
        let answer = answer.inspect_err(|error| tracing::debug!(%error, address, "an inventory node does not answer")).ok()?;
        if !answer.status().is_success() {
            return None;
        }
        let body = Limited::new(answer.into_body(), MAX_VIEW_BYTES).collect().await.ok()?.to_bytes();
        serde_json::from_slice(&body).ok()
    }
}
