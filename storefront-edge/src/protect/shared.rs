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

use super::rate::{Rates, Untold};

/// Between two exchanges.
const EVERY: Duration = Duration::from_millis(250);

/// Redis answers in a millisecond or counts as away.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Clients told of in one call: 512 keys of 50 bytes are one packet or two dozen, and a quarter of a millisecond of Redis.
const CLIENTS: usize = 512;

/// Calls of one exchange: 2 ms of Redis, 16,384 clients a second. Beyond, each is told of in its turn.
const CALLS: usize = 8;

/// For each key: moves the moment at which its bucket is full by what was taken, by the clock of Redis, and tells how far off it is. In
/// microseconds. Three arguments for each key: what was taken, since how long, and the depth.
///
/// What is told late was not taken now: the bucket has been filling since. So it counts from where the stretch of time began, and costs
/// no more than it would have, had it been told at once. A bucket is never more than its depth behind.
const SCRIPT: &str = "
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local behind = {}
for nth, key in ipairs(KEYS) do
  local taken, within, depth = tonumber(ARGV[3 * nth - 2]), tonumber(ARGV[3 * nth - 1]), tonumber(ARGV[3 * nth])
  local full_at = math.max(tonumber(redis.call('GET', key) or 0), now - within) + taken
  full_at = math.min(full_at, now + depth)
  if full_at > now then
    redis.call('SET', key, string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000) + 1)
  end
  behind[nth] = math.max(full_at - now, 0)
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
        let untold = rates.untold(CALLS * CLIENTS, began.elapsed());
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

/// What fails is given up with all after it: it would be told too late to count.
async fn exchange(
    rates: &Rates,
    script: &redis::Script,
    redis: &ConnectionManager,
    untold: &[Untold],
    began: Instant,
) -> Result<(), redis::RedisError> {
    for untold in untold.chunks(CLIENTS) {
        let mut call = script.prepare_invoke();
        for Untold { key, taken, within } in untold {
            let limit = rates.limit(key.class);
            call.key(format!("edge:rate:{}:{:032x}", key.class.name(), key.client));
            call.arg(micros(limit.interval() * *taken)).arg(micros(*within)).arg(micros(limit.interval() * limit.burst));
        }
        let behind: Vec<u64> = call.invoke_async(&mut redis.clone()).await?;
        for (untold, behind) in untold.iter().zip(behind) {
            rates.learn(untold.key, began.elapsed(), Duration::from_micros(behind));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::class::Class, *};
    use crate::protect::rate::{Key, Limit, Verdict};

    fn micros_of(behind: Vec<u64>) -> u64 {
        behind.first().copied().unwrap_or_default()
    }

    #[tokio::test]
    async fn what_is_told_late_costs_no_more_than_told_at_once() {
        let (script, redis) = (redis::Script::new(SCRIPT), connect(&backing_servers::redis_url()).unwrap());
        let key = format!("edge:rate:test:{}", uuid::Uuid::new_v4());
        let (interval, depth) = (100_000, 500_000);
        let told = async |taken: u64, within_ms: u64| {
            let mut call = script.prepare_invoke();
            call.key(&key).arg(taken * interval).arg(within_ms * 1_000).arg(depth);
            micros_of(call.invoke_async(&mut redis.clone()).await.unwrap())
        };
        // A hundred in ten seconds are what the rate allows, told whenever: nothing is left to wait for.
        assert_eq!(told(100, 10_000).await, 0);
        // Three more than the rate gave back in that time.
        assert_eq!(told(103, 10_000).await, 3 * interval);
        // Told at once, they would fill the bucket, and no more than that.
        assert_eq!(told(100, 0).await, depth);
    }

    #[tokio::test]
    async fn more_clients_than_one_call_tells_of_are_all_told_of() {
        let limit = Limit { per_second: 1, burst: 1_000 };
        let (rates, redis) = (Rates::new([limit; 3], 10_000), connect(&backing_servers::redis_url()).unwrap());
        let (script, began) = (redis::Script::new(SCRIPT), Instant::now());
        let base = uuid::Uuid::new_v4().as_u128();
        let keys: Vec<Key> =
            (0..2 * CLIENTS as u128 + 7).map(|nth| Key { client: base.wrapping_add(nth), class: Class::Browse }).collect();
        for key in &keys {
            assert!(matches!(rates.take(*key, began.elapsed()), Verdict::Within { .. }));
        }
        let untold = rates.untold(CALLS * CLIENTS, began.elapsed());
        assert_eq!(untold.len(), keys.len());
        exchange(&rates, &script, &redis, &untold, began).await.unwrap();
        for key in [keys[0], keys[CLIENTS], keys[2 * CLIENTS + 6]] {
            let name = format!("edge:rate:{}:{:032x}", key.class.name(), key.client);
            let full_at: Option<u64> = redis::cmd("GET").arg(name).query_async(&mut redis.clone()).await.unwrap();
            assert!(full_at.is_some(), "one was left out");
        }
    }
}
