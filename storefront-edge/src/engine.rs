//! The cache at work: looks up, asks the origin, keeps, answers.
//!
//! Owns: the flow of a request through the cache. Must not: decide what may be stored or used (`http-cache-policy`), know what is behind
//! the origin's paths.

mod at_once;
mod collecting;
mod complete;
mod exchange;
mod failing;
mod fill;
mod forward;
mod hops;
mod kept;
mod lookup;
mod origin;
mod payload;
mod second;
mod serve;

pub(crate) use exchange::Exchange;
pub(crate) use origin::{Origin, OriginError, Unasked};
pub(crate) use payload::Payload;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use http_cache_policy::Profile;

use crate::{
    cache::{Clock, Collapse, Purges, Shelf},
    tier::Tier,
};

/// Between two looks at what is kept; scrapes come less often.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// How a cache is set up.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) profile: Profile,
    /// Requests for different hosts have different answers.
    pub(crate) by_authority: bool,
    /// The origin is always asked for the whole, plain answer; ranges, conditions and codings are served from it here.
    pub(crate) whole_fills: bool,
    /// Fields of answers that stay inside.
    pub(crate) internal: &'static [&'static str],
    /// Bytes of the answers in this process.
    pub(crate) bytes: u64,
    /// Longest wait for the head of an answer, and between two pieces of its body.
    pub(crate) patience: Duration,
}

pub(crate) struct Engine {
    setup: Setup,
    origin: Origin,
    shelf: Shelf,
    filling: Arc<collecting::Room>,
    collapse: Collapse,
    pub(crate) purges: Purges,
    clock: Clock,
    not_shared: lookup::NotShared,
    second: OnceLock<Arc<Tier>>,
}

impl Engine {
    pub(crate) fn new(setup: Setup, origin: Origin) -> Arc<Self> {
        let (shelf, filling) = (Shelf::new(setup.bytes), collecting::Room::beside(setup.bytes));
        Arc::new(Self {
            setup,
            origin,
            shelf,
            filling,
            collapse: Collapse::default(),
            purges: Purges::default(),
            clock: Clock::start(),
            not_shared: lookup::NotShared::default(),
            second: OnceLock::new(),
        })
    }

    /// Keeps the gauges of what is kept true, for ever.
    pub(crate) async fn tell(self: Arc<Self>) {
        let mut tick = tokio::time::interval(TOLD_EVERY);
        loop {
            tick.tick().await;
            metrics::gauge!("edge_cache_bytes").set(self.shelf.weight() as f64);
            metrics::gauge!("edge_cache_filling_bytes").set(self.filling.taken() as f64);
            metrics::gauge!("edge_cache_answers").set(self.shelf.len() as f64);
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!("edge_cache_total", "result" => result).increment(1);
}

/// Hits are counted without looking their counter up.
fn count_hit() {
    static HITS: OnceLock<metrics::Counter> = OnceLock::new();
    HITS.get_or_init(|| metrics::counter!("edge_cache_total", "result" => "hit")).increment(1);
}
