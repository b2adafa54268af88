//! Purges that a region could not be told, kept in another region's Redis, so that any edge there tells them when it can be reached.
//!
//! A purge done twice is done once, and in any order: so nothing is lost when two edges tell the same one, or when one that told it stops
//! before it says so.

use std::{sync::Arc, time::Duration};

use redis::{RedisResult, Script, aio::ConnectionManager};
use storefront_types::Region;

use super::{bus::Lane, order::Purge};

/// Purges kept for one region. Beyond, they become one of everything: at 64 KiB at most 64 MB, in practice some 100 KB.
const MAX_OWED: usize = 1_000;

/// Between two looks at what is owed.
const LOOK: Duration = Duration::from_millis(500);

/// One edge at a time tells a region what it is owed; if it stops meanwhile, another one goes on after so long.
const LEASE_MS: u64 = 2_000;

/// `ARGV`: purge, most, purge of everything.
const OWE: &str = "
if redis.call('RPUSH', KEYS[1], ARGV[1]) > tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
  redis.call('RPUSH', KEYS[1], ARGV[3])
end";

fn list(region: &Region) -> String {
    format!("edge:owed:{region}")
}

fn text(purge: &Purge) -> String {
    serde_json::to_string(purge).unwrap_or_default()
}

/// Keeps a purge for a region.
pub(super) async fn owe(mut redis: ConnectionManager, region: &Region, purge: &Purge) -> RedisResult<()> {
    let script = Script::new(OWE);
    let mut call = script.prepare_invoke();
    call.key(list(region)).arg(text(purge)).arg(MAX_OWED).arg(text(&purge.of_everything(false)));
    call.invoke_async(&mut redis).await
}

/// Tells the others what this region's Redis keeps for them, for ever.
pub(super) async fn pay(own: Arc<Lane>, others: Vec<Arc<Lane>>, by: String) {
    let mut tick = tokio::time::interval(LOOK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for other in &others {
            // Redis is away, or the region still is: at the next look.
            if let Err(error) = pay_one(own.redis(), other, &by).await {
                tracing::debug!(%error, region = %other.region, "purges are owed on");
            }
        }
    }
}

async fn pay_one(mut redis: ConnectionManager, other: &Lane, by: &str) -> RedisResult<()> {
    let list = list(&other.region);
    while let Some(owed) = redis::cmd("LINDEX").arg(&list).arg(0).query_async::<Option<String>>(&mut redis).await? {
        let mut lease = redis::cmd("SET");
        lease.arg(format!("{list}:by")).arg(by).arg("NX").arg("PX").arg(LEASE_MS);
        if lease.query_async::<Option<String>>(&mut redis).await?.is_none() {
            return Ok(());
        }
        // What cannot be read was written by another version, which knows what was meant: everything is purged in its place.
        let purge = serde_json::from_str(&owed).unwrap_or_else(|_| Purge::everything(by));
        let told = other.append(&purge).await;
        if told.is_ok() {
            redis::cmd("LREM").arg(&list).arg(1).arg(&owed).query_async::<()>(&mut redis).await?;
            tracing::info!(region = %other.region, "a purge that was owed is told");
        }
        redis::cmd("DEL").arg(format!("{list}:by")).query_async::<()>(&mut redis).await?;
        told?;
    }
    Ok(())
}
