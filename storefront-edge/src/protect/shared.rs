//! What clients took at the other edges of the region, through Redis.
//!
//! No request waits for Redis: each is decided by this edge's own table, and a few times a second the table tells Redis what it let
//! through and hears what all edges did. So a client that asks many edges at once gets at most a share of a second more from each than its
//! limit, and while Redis is away each edge limits by itself: that is all that is lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};

use super::rate::{Key, Rates};

/// Between two exchanges.
const EVERY: Duration = Duration::from_millis(250);

/// Redis answers in a millisecond or counts as away.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Clients told of in one exchange: 512 keys of 50 bytes are one packet or two dozen, and a quarter of a millisecond of Redis.
const CLIENTS: usize = 512;

/// For each key: moves the moment at which its bucket is full by what was taken, by the clock of Redis, and tells how far off it is. In
/// microseconds. A bucket is never more than its depth behind. Two arguments for each key: what was taken, and the depth.
const SCRIPT: &str = "
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local behind = {}
for nth, key in ipairs(KEYS) do
  local taken, depth = tonumber(ARGV[2 * nth - 1]), tonumber(ARGV[2 * nth])
  local full_at = math.max(tonumber(redis.call('GET', key) or now), now) + taken
  full_at = math.min(full_at, now + depth)
  redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
  behind[nth] = full_at - now
end
return behind";

/// Exchanges for ever. `began` is where the table's time starts.
pub(crate) async fn share(rates: Arc<Rates>, url: String, began: Instant) {
    let redis = match connect(&url) {
        Ok(redis) => redis,
        Err(error) => return tracing::error!(%error, "--redis is no address of a Redis; clients are limited by each edge alone"),
    };
    let script = redis::Script::new(SCRIPT);
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut away = false;
    loop {
        tick.tick().await;
        let untold = rates.untold(CLIENTS);
        if untold.is_empty() {
            continue;
        }
        let answered = exchange(&rates, &script, &redis, &untold, began).await;
        metrics::gauge!("edge_rate_shared").set(if answered.is_ok() { 1.0 } else { 0.0 });
        let was_away = std::mem::replace(&mut away, answered.is_err());
        match answered {
            Ok(()) if was_away => tracing::info!("clients are limited across edges again"),
            Err(error) if !was_away => tracing::warn!(%error, "Redis is away; each edge limits its clients by itself"),
            _ => {}
        }
    }
}

fn connect(url: &str) -> redis::RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(TIMEOUT))
        .set_connection_timeout(Some(TIMEOUT))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

async fn exchange(
    rates: &Rates,
    script: &redis::Script,
    redis: &ConnectionManager,
    untold: &[(Key, u32)],
    began: Instant,
) -> Result<(), redis::RedisError> {
    let mut call = script.prepare_invoke();
    for (key, taken) in untold {
        let limit = rates.limit(key.class);
        call.key(format!("edge:rate:{}:{:032x}", key.class.name(), key.client));
        call.arg(micros(limit.interval() * *taken)).arg(micros(limit.interval() * limit.burst));
    }
    let behind: Vec<u64> = call.invoke_async(&mut redis.clone()).await?;
    for ((key, _), behind) in untold.iter().zip(behind) {
        rates.learn(*key, began.elapsed(), Duration::from_micros(behind));
    }
    Ok(())
}
