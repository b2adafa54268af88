//! Tells purges to every region. One that does not answer is told later, also when this edge is gone by then: another region's Redis
//! keeps what it is owed. Where none does, the caller is told to repeat the order.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use serde::Serialize;
use storefront_types::Region;
use tokio::{sync::Notify, task::JoinHandle};

use super::{follow::apply, ledger::Ledger, order::Purge, owed};
use crate::{cache::KeyRef, engine::Engine};

/// A region answers in so long or is told later.
const TIMEOUT: Duration = Duration::from_millis(300);

/// Before a region is tried again.
const RETRY: Duration = Duration::from_millis(300);

/// Purges that wait for one region. When there are more, they become one of everything.
const MAX_WAITING: usize = 1_000;

/// How far an order reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Scope {
    /// Every edge of every region that this edge knows of.
    Regions,
    /// No Redis is configured: nobody but this edge heard of it.
    ThisEdge,
}

/// Who was told.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    pub(super) scope: Scope,
    /// Regions whose edges hear of it now.
    pub(super) taken: Vec<Region>,
    /// Regions that did not answer. Another region keeps it for them, and its edges tell them as soon as they can.
    pub(super) waiting: Vec<Region>,
    /// Regions that did not answer and for which nobody but this edge remembers it.
    #[serde(skip)]
    pub(super) missed: Vec<Region>,
}

pub(super) struct Bus {
    engine: Arc<Engine>,
    region: Region,
    pub(super) by: String,
    lanes: Vec<Arc<Lane>>,
}

/// The way to one region.
pub(crate) struct Lane {
    pub(super) region: Region,
    by: String,
    redis: ConnectionManager,
    ledger: Ledger,
    waiting: Mutex<VecDeque<Purge>>,
    more: Notify,
}

impl Bus {
    pub(super) fn new(
        engine: Arc<Engine>,
        region: Region,
        by: String,
        regions: &BTreeMap<Region, String>,
    ) -> redis::RedisResult<Self> {
        let lanes = regions.iter().map(|(region, url)| Lane::new(region.clone(), by.clone(), url).map(Arc::new));
        let lanes = lanes.collect::<Result<_, _>>()?;
        Ok(Self { engine, region, by, lanes })
    }

    /// The way to the own region.
    pub(super) fn own_lane(&self) -> Option<&Arc<Lane>> {
        self.lanes.iter().find(|lane| lane.region == self.region)
    }

    /// What tells regions later.
    pub(super) fn background(&self) -> Vec<JoinHandle<()>> {
        let mut tasks: Vec<_> = self.lanes.iter().map(|lane| tokio::spawn(lane.clone().tell_later())).collect();
        if let Some(own) = self.own_lane() {
            let others = self.lanes.iter().filter(|lane| lane.region != self.region).cloned().collect();
            tasks.push(tokio::spawn(owed::pay(own.clone(), others, self.by.clone())));
        }
        tasks
    }

    /// Does a purge here, and tells it to every region.
    pub(super) async fn publish(&self, purge: Purge) -> Told {
        // The own region first: what is dropped here must not come back from there.
        let own = async {
            if let Some(lane) = self.own_lane() {
                lane.tell(&purge).await;
            }
            apply(&self.engine, &purge);
        };
        let others = self.lanes.iter().filter(|lane| lane.region != self.region);
        tokio::join!(own, join_all(others.map(|lane| lane.tell(&purge))));
        let (taken, away): (Vec<_>, Vec<_>) = self.lanes.iter().partition(|lane| lane.is_settled());
        let kept = join_all(away.iter().map(|lane| self.kept_elsewhere(lane, &taken, &purge))).await;
        let names = |lanes: &[&Arc<Lane>]| lanes.iter().map(|lane| lane.region.clone()).collect();
        let (waiting, missed): (Vec<_>, Vec<_>) = away.into_iter().zip(kept).partition(|(_, kept)| *kept);
        let [waiting, missed] = [waiting, missed].map(|some| some.into_iter().map(|(lane, _)| lane).collect::<Vec<_>>());
        let scope = if self.lanes.is_empty() { Scope::ThisEdge } else { Scope::Regions };
        Told { scope, taken: names(&taken), waiting: names(&waiting), missed: names(&missed) }
    }

    /// Whether another region keeps a purge for one that is away; the own region's first.
    async fn kept_elsewhere(&self, away: &Arc<Lane>, taken: &[&Arc<Lane>], purge: &Purge) -> bool {
        let own_first = || taken.iter().filter(|lane| lane.region == self.region);
        for lane in own_first().chain(taken.iter().filter(|lane| lane.region != self.region)) {
            match tokio::time::timeout(2 * TIMEOUT, owed::owe(lane.redis(), &away.region, purge)).await {
                Ok(Ok(())) => {
                    // The own region's Redis is believed only when it was told by this edge.
                    if away.region != self.region {
                        away.leave_to_others(purge);
                    }
                    return true;
                }
                failed => tracing::warn!(?failed, region = %lane.region, "a purge for another region is not kept here"),
            }
        }
        false
    }
}

impl Lane {
    fn new(region: Region, by: String, url: &str) -> redis::RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(TIMEOUT))
            .set_connection_timeout(Some(TIMEOUT))
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)?;
        Ok(Self { region, by, redis, ledger: Ledger::default(), waiting: Mutex::default(), more: Notify::new() })
    }

    pub(super) fn redis(&self) -> ConnectionManager {
        self.redis.clone()
    }

    /// It is kept where it outlives this edge.
    fn leave_to_others(&self, purge: &Purge) {
        let mut waiting = self.queue();
        waiting.retain(|kept| kept != purge);
        self.count(&waiting);
    }

    /// Whether the region was told all.
    pub(crate) fn is_settled(&self) -> bool {
        self.queue().is_empty()
    }

    /// What one edge found to be wrong is told soon, and nobody waits for it.
    pub(crate) fn invalidate(&self, key: KeyRef<'_>) {
        let keys = vec![(key.authority.to_owned(), key.target.to_owned())];
        self.keep(Purge { by: self.by.clone(), tags: Vec::new(), keys, everything: false, soft: true });
        self.more.notify_one();
    }

    /// Now, or later.
    async fn tell(&self, purge: &Purge) {
        if self.queue().is_empty() {
            match self.append(purge).await {
                Ok(()) => return,
                Err(error) => tracing::warn!(%error, region = %self.region, "a purge is told later"),
            }
        }
        self.keep(purge.clone());
        self.more.notify_one();
    }

    fn keep(&self, purge: Purge) {
        let mut waiting = self.queue();
        waiting.push_back(purge);
        bound(&mut waiting, MAX_WAITING);
        self.count(&waiting);
    }

    pub(super) async fn append(&self, purge: &Purge) -> redis::RedisResult<()> {
        let once = || async { self.ledger.append(&mut self.redis.clone(), purge).await.map(drop) };
        // That a connection is gone is found out by using it. What is done twice is done once.
        let append = async {
            match once().await {
                Err(error) if error.is_connection_dropped() => once().await,
                done => done,
            }
        };
        let late = |_| redis::RedisError::from((redis::ErrorKind::Io, "it did not answer in time"));
        tokio::time::timeout(2 * TIMEOUT, append).await.map_err(late)?
    }

    /// For ever.
    async fn tell_later(self: Arc<Self>) {
        loop {
            let next = self.queue().front().cloned();
            let Some(purge) = next else {
                self.more.notified().await;
                continue;
            };
            match self.append(&purge).await {
                Ok(()) => self.told(&purge),
                Err(_) => tokio::time::sleep(RETRY).await,
            }
            self.count(&self.queue());
        }
    }

    /// It may have become one of everything meanwhile.
    fn told(&self, purge: &Purge) {
        let mut waiting = self.queue();
        if waiting.front() == Some(purge) {
            waiting.pop_front();
        }
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Purge>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, waiting: &VecDeque<Purge>) {
        metrics::gauge!("edge_purges_waiting", "region" => self.region.to_string()).set(waiting.len() as f64);
    }
}

/// Too many become one of everything.
fn bound(waiting: &mut VecDeque<Purge>, most: usize) {
    if waiting.len() <= most {
        return;
    }
    let soft = waiting.iter().all(|purge| purge.soft);
    let Some(everything) = waiting.front().map(|purge| purge.of_everything(soft)) else { return };
    waiting.clear();
    waiting.push_back(everything);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_that_wait_become_one_of_everything() {
        let purge = |soft| Purge { by: "x".to_owned(), tags: vec!["a".to_owned()], keys: Vec::new(), everything: false, soft };
        let mut waiting = VecDeque::from([purge(true), purge(false)]);
        bound(&mut waiting, 2);
        assert_eq!(waiting.len(), 2);
        bound(&mut waiting, 1);
        assert!(waiting.len() == 1 && waiting[0].everything && !waiting[0].soft);
    }
}
