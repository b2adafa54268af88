//! Carts in the region's Redis: a copy of each, and those that PostgreSQL has not got yet.
//!
//! Owns: that a cart kept here for PostgreSQL is changed only by who knows its last version. Must not: be asked for a cart that PostgreSQL tells.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use redis::{RedisError, aio::ConnectionManager};
use serde::{Deserialize, Serialize};
use storefront_types::ShopperId;
use uuid::Uuid;

use super::Stored;

/// A copy ends with a guest's cart, 30 days after the last change.
const COPY_S: u64 = 30 * 24 * 60 * 60;

/// Carts that PostgreSQL has not got yet, by shopper. Without an end, so Redis drops none of them for want of room.
const UNWRITTEN: &str = "carts-unwritten";

/// Of one look at what is unwritten.
const SCAN: usize = 1_000;

/// After Redis did not answer, nobody waits for it so long.
const PAUSE: Duration = Duration::from_millis(500);

/// A slow writer must not put an older cart over a newer one.
const COPY_UNLESS_OLDER: &str = "local known = redis.call('get', KEYS[1])
    if known and cjson.decode(known).version > tonumber(ARGV[2]) then return 0 end
    redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[3]) return 1";

const HOLD_IF_UNCHANGED: &str = "local known = redis.call('hget', KEYS[1], ARGV[1])
    if known and cjson.decode(known).cart.version ~= tonumber(ARGV[3]) then return 0 end
    redis.call('hset', KEYS[1], ARGV[1], ARGV[2]) return 1";

const FORGET_IF_UNCHANGED: &str =
    "if redis.call('hget', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('hdel', KEYS[1], ARGV[1]) end
    return 0";

/// A cart that was changed while PostgreSQL was away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unwritten {
    /// Of all changes since `base`, so that the record takes each once.
    pub(super) stamp: Uuid,
    /// The cart as it was last known to be recorded.
    pub(super) base: Stored,
    pub(super) cart: Stored,
}

/// What Redis knows of some carts.
#[derive(Clone, Debug, Default)]
pub(super) struct Beside {
    pub(super) unwritten: BTreeMap<ShopperId, Unwritten>,
    /// Without a copy.
    pub(super) missing: Vec<ShopperId>,
}

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct RegionStore {
    redis: ConnectionManager,
    /// Milliseconds of this process's life until which Redis is left alone.
    paused_until_ms: Arc<AtomicU64>,
    began: Instant,
}

fn key(shopper: ShopperId) -> String {
    format!("cart:{shopper}")
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl RegionStore {
    pub(super) fn new(redis: ConnectionManager) -> Self {
        Self { redis, paused_until_ms: Arc::default(), began: Instant::now() }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// `None`: Redis is away.
    async fn ask<T: redis::FromRedisValue>(&self, pipe: &redis::Pipeline) -> Option<T> {
        if self.now_ms() < self.paused_until_ms.load(Ordering::Acquire) {
            return None;
        }
        let mut redis = self.redis.clone();
        let answered: Result<T, RedisError> = pipe.query_async(&mut redis).await;
        if let Err(error) = &answered {
            tracing::debug!(%error, "the region's Redis is away");
            let pause = u64::try_from(PAUSE.as_millis()).unwrap_or(u64::MAX);
            self.paused_until_ms.store(self.now_ms() + pause, Ordering::Release);
        }
        answered.ok()
    }

    /// What of these carts PostgreSQL has not got yet, and whose copy is missing. `None`: Redis is away.
    pub(super) async fn beside(&self, shoppers: &[ShopperId]) -> Option<Beside> {
        let names: Vec<String> = shoppers.iter().map(ToString::to_string).collect();
        let mut pipe = redis::pipe();
        pipe.cmd("HMGET").arg(UNWRITTEN).arg(names);
        for shopper in shoppers {
            pipe.cmd("EXISTS").arg(key(*shopper));
        }
        let found: Vec<redis::Value> = self.ask(&pipe).await?;
        let mut found = found.into_iter();
        let unwritten: Vec<Option<String>> = redis::from_redis_value(found.next()?).ok()?;
        let missing = shoppers.iter().zip(found).filter(|(_, there)| *there == redis::Value::Int(0));
        Some(Beside { unwritten: read(shoppers, &unwritten), missing: missing.map(|(shopper, _)| *shopper).collect() })
    }

    pub(super) async fn copies(&self, shoppers: &[ShopperId]) -> Option<BTreeMap<ShopperId, Stored>> {
        let keys: Vec<String> = shoppers.iter().map(|shopper| key(*shopper)).collect();
        let mut pipe = redis::pipe();
        pipe.cmd("MGET").arg(keys);
        let (found,): (Vec<Option<String>>,) = self.ask(&pipe).await?;
        Some(read(shoppers, &found))
    }

    /// Best effort: a copy that is not made is missed only while PostgreSQL is away.
    pub(super) async fn copy(&self, carts: &[(ShopperId, &Stored)]) {
        let mut pipe = redis::pipe();
        for (shopper, cart) in carts {
            pipe.cmd("EVAL")
                .arg(COPY_UNLESS_OLDER)
                .arg(1)
                .arg(key(*shopper))
                .arg(json(cart))
                .arg(cart.version)
                .arg(COPY_S)
                .ignore();
        }
        if self.ask::<()>(&pipe).await.is_none() {
            metrics::counter!("orders_cart_copies_missed_total").increment(carts.len() as u64);
        }
    }

    /// Keeps a change for PostgreSQL. `Some(false)`: the cart that is kept has not the version `was`. `None`: Redis is away.
    pub(super) async fn hold(&self, shopper: ShopperId, was: i64, unwritten: &Unwritten) -> Option<bool> {
        let mut pipe = redis::pipe();
        let (name, cart) = (shopper.to_string(), &unwritten.cart);
        pipe.cmd("EVAL").arg(HOLD_IF_UNCHANGED).arg(1).arg(UNWRITTEN).arg(name).arg(json(unwritten)).arg(was);
        let (held,): (bool,) = self.ask(&pipe).await?;
        if held {
            self.copy(&[(shopper, cart)]).await;
        }
        Some(held)
    }

    /// Only if it was not changed meanwhile.
    pub(super) async fn forget(&self, shopper: ShopperId, unwritten: &Unwritten) {
        let mut pipe = redis::pipe();
        pipe.cmd("EVAL").arg(FORGET_IF_UNCHANGED).arg(1).arg(UNWRITTEN).arg(shopper.to_string()).arg(json(unwritten)).ignore();
        let _: Option<()> = self.ask(&pipe).await;
    }

    /// Some of what is unwritten, from a cursor on; 0 begins and ends. `None`: Redis is away.
    pub(super) async fn all_unwritten(&self, cursor: u64) -> Option<(u64, BTreeMap<ShopperId, Unwritten>)> {
        let mut pipe = redis::pipe();
        pipe.cmd("HSCAN").arg(UNWRITTEN).arg(cursor).arg("COUNT").arg(SCAN);
        let ((next, pairs),): ((u64, Vec<(String, String)>),) = self.ask(&pipe).await?;
        let read = |(name, text): (String, String)| Some((name.parse().ok()?, serde_json::from_str(&text).ok()?));
        Some((next, pairs.into_iter().filter_map(read).collect()))
    }
}

fn read<T: for<'a> Deserialize<'a>>(shoppers: &[ShopperId], found: &[Option<String>]) -> BTreeMap<ShopperId, T> {
    let each = shoppers.iter().zip(found);
    each.filter_map(|(shopper, text)| Some((*shopper, serde_json::from_str(text.as_deref()?).ok()?))).collect()
}
