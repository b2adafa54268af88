//! L2: answers for everybody in the region's Redis, for its other edges and for this one after a restart.
//!
//! Owns: what is written there and how, whether what is read may still be used, and leaving Redis alone while it fails. Must not: keep a
//! client waiting for more than some milliseconds; without Redis nothing is lost but hits.

mod breaker;
mod places;
mod region;
mod wire;

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use tokio::sync::mpsc;

use crate::{
    cache::{KeyRef, Stored},
    purge::{Lane, Place},
};
use breaker::Breaker;
use places::Places;
use region::{Job, Region};
use wire::Wire;

/// Redis answers in so long or the origin is asked.
const PATIENCE: Duration = Duration::from_millis(20);

/// Answers and marks on their way to Redis: at most 1 MiB each, in practice some KiB.
const MAX_WAITING: usize = 256;

/// Larger answers are not worth Redis's memory.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// Nothing stays longer.
const MAX_TTL_S: u64 = 24 * 3_600;

/// Answers of these may be written.
const STATUSES: [u16; 6] = [200, 203, 301, 308, 404, 410];

pub(crate) struct Tier {
    /// What answers of this cache and no other are stored under.
    prefix: String,
    region: Arc<Region>,
    /// What this edge purged itself and Redis may not know yet.
    lane: Arc<Lane>,
    places: Mutex<Places>,
    breaker: Breaker,
    jobs: mpsc::Sender<Job>,
    /// A mark for the catalog's purges was dropped: the next one may not be joined to those before.
    gap: AtomicBool,
}

/// An answer found, its tags by name.
pub(crate) struct Fetched {
    pub(crate) wire: Wire,
    pub(crate) tags: Vec<String>,
}

impl Tier {
    /// Also what writes to Redis, to be run for ever. `has_catalog`: answers are subject to a catalog's purges.
    pub(crate) fn new(
        prefix: &str,
        has_catalog: bool,
        url: &str,
        lane: Arc<Lane>,
    ) -> redis::RedisResult<(Arc<Self>, impl Future<Output = ()> + use<>)> {
        let region = Arc::new(Region::open(url)?);
        let (jobs, waiting) = mpsc::channel(MAX_WAITING);
        let tier = Self {
            prefix: format!("edge:v{}:{prefix}", wire::VERSION),
            region: region.clone(),
            lane,
            places: Mutex::new(Places::new(has_catalog)),
            breaker: Breaker::default(),
            jobs,
            gap: AtomicBool::new(true),
        };
        Ok((Arc::new(tier), region::work(region, waiting)))
    }

    /// The list of purges was followed up to here, as this ticket says.
    pub(crate) fn followed(&self, place: &Place, ticket: u64) {
        self.places().followed(place, ticket);
    }

    /// The catalog's purges were done up to here. `missed`: not all before.
    pub(crate) fn catalog(&self, (epoch, sequence): (&str, u64), tags: &[String], missed: bool, ticket: u64) {
        self.places().catalog(epoch, sequence, ticket);
        let gap = self.gap.swap(false, Ordering::Relaxed);
        let joined = !missed && !gap;
        let marks = Job::Mark { epoch: epoch.to_owned(), sequence, tags: tags.to_vec(), joined };
        if self.jobs.try_send(marks).is_err() {
            self.gap.store(true, Ordering::Relaxed);
        }
    }

    /// What this edge alone knows to be wrong.
    pub(crate) fn invalidate(&self, key: KeyRef<'_>) {
        self.lane.invalidate(key);
    }

    /// Writes an answer behind the client's back, if it is for everybody and nothing was purged since it was asked for.
    pub(crate) fn offer(&self, key: KeyRef<'_>, stored: &Stored, tags: &BTreeSet<String>, now_ms: u64) {
        let kind = stored.part.is_none() && STATUSES.contains(&stored.status.as_u16());
        if !kind || !stored.selecting.is_anybody() || stored.body.len() > MAX_BODY_BYTES || tags.iter().any(|tag| !is_plain(tag))
        {
            return;
        }
        let Some(place) = self.places().at(stored.ticket) else { return };
        let stale_s = stored.lifetime.while_revalidate_s.max(stored.lifetime.if_error_s);
        let lasts_s = stored.lifetime.fresh_s.saturating_add(stale_s).saturating_sub(stored.lifetime.age_ms(now_ms) / 1_000);
        if lasts_s == 0 || !stored.lifetime.is_fresh(now_ms) || self.breaker.is_open(now_ms) {
            return;
        }
        let value = wire::encode(stored.status, &stored.headers, &stored.lifetime, &stored.body);
        let tags = tags.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        let job = Job::Put { key: self.key(key), place, tags, value, ttl_s: lasts_s.min(MAX_TTL_S) };
        let outcome = if self.jobs.try_send(job).is_ok() { "offered" } else { "dropped" };
        metrics::counter!("edge_l2_total", "result" => outcome).increment(1);
    }

    /// An answer that no purge has come for, soon or not at all.
    pub(crate) async fn get(&self, key: KeyRef<'_>, now_ms: u64) -> Option<Fetched> {
        if self.breaker.is_open(now_ms) || !self.lane.is_settled() {
            return None;
        }
        let place = self.places().now()?;
        let mark = crate::purge::key_mark(key.authority, key.target);
        let asked = tokio::time::timeout(PATIENCE, self.region.get(&self.key(key), &place, &mark)).await;
        let found = match asked {
            Ok(Ok(found)) => found,
            failed => {
                tracing::debug!(timed_out = failed.is_err(), "the region's Redis is slow or away");
                self.breaker.failed(now_ms);
                metrics::counter!("edge_l2_total", "result" => "failed").increment(1);
                return None;
            }
        };
        self.breaker.succeeded();
        let fetched = found.and_then(|(tags, value)| {
            let tags = tags.split_ascii_whitespace().map(str::to_owned).collect();
            wire::decode(&value).map(|wire| Fetched { wire, tags })
        });
        metrics::counter!("edge_l2_total", "result" => if fetched.is_some() { "hit" } else { "miss" }).increment(1);
        fetched
    }

    fn key(&self, key: KeyRef<'_>) -> String {
        format!("{}:{}|{}", self.prefix, key.authority, key.target)
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tags are listed with spaces between them.
fn is_plain(tag: &str) -> bool {
    !tag.is_empty() && !tag.bytes().any(|byte| byte.is_ascii_whitespace())
}

/// Whether a number may be a status.
fn status(number: u16) -> Option<StatusCode> {
    StatusCode::from_u16(number).ok()
}
