//! The region's Redis as this tier uses it: an answer is a hash beside the marks of purges, and reading it compares the two at once.

use std::{sync::Arc, time::Duration};

use redis::{
    RedisResult, Script,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::places::Both;
use crate::purge::{CATALOG, EPOCH, MARKS, STREAM};

/// Nobody waits for what is written.
const TIMEOUT: Duration = Duration::from_millis(250);

/// Marks of the catalog's tags: at 50 bytes 5 MB. Beyond, what was asked for before is not used any more.
const MAX_MARKS: usize = 100_000;

/// `KEYS[4]`: answer. `ARGV`: epoch of the orders, catalog's epoch, its number, mark of the key. An answer is used if no purge that it
/// is subject to has come since it was asked for, and the marks know all that this edge knows.
const GET: &str = "
local answer = redis.call('HMGET', KEYS[4], 'epoch', 'sequence', 'catalog', 'at', 'tags', 'value')
if not answer[6] or answer[1] ~= epoch or epoch ~= ARGV[2] or answer[3] ~= ARGV[3] then return false end
local function purged(marks, field, at)
  local mark = redis.call('HGET', marks, field)
  return mark and tonumber(mark) > at
end
local ordered, changed = tonumber(answer[2]), tonumber(answer[4])
if purged(KEYS[1], '#everything', ordered) or purged(KEYS[1], ARGV[5], ordered) then return false end
if ARGV[3] ~= '' then
  local catalog = redis.call('HMGET', KEYS[3], '#epoch', '#sequence', '#from')
  if catalog[1] ~= ARGV[3] or tonumber(catalog[2]) < tonumber(ARGV[4]) or tonumber(catalog[3]) > changed then return false end
end
for tag in string.gmatch(answer[5], '%S+') do
  if purged(KEYS[1], 't:' .. tag, ordered) or purged(KEYS[3], 't:' .. tag, changed) then return false end
end
return {answer[5], answer[6]}";

/// `KEYS[4]`: answer. `ARGV`: epoch, number, catalog's epoch, its number, tags, value, seconds.
const PUT: &str = "
if epoch ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[4], 'epoch', ARGV[2], 'sequence', ARGV[3], 'catalog', ARGV[4], 'at', ARGV[5], 'tags', ARGV[6], 'value', ARGV[7])
redis.call('EXPIRE', KEYS[4], ARGV[8])
return 1";

/// `ARGV`: catalog's epoch, number, whether all before is known, most marks, tags. `#from`: purges of greater numbers are all marked.
const MARK: &str = "
local known = redis.call('HMGET', KEYS[3], '#epoch', '#sequence')
local sequence = tonumber(ARGV[3])
local joined = known[1] == ARGV[2] and (sequence <= tonumber(known[2]) or (ARGV[4] == '1' and sequence == tonumber(known[2]) + 1))
if not joined or redis.call('HLEN', KEYS[3]) > tonumber(ARGV[5]) then
  redis.call('DEL', KEYS[3])
  redis.call('HSET', KEYS[3], '#epoch', ARGV[2], '#sequence', sequence, '#from', sequence)
  return
end
redis.call('HSET', KEYS[3], '#sequence', math.max(sequence, tonumber(known[2])))
for nth = 6, #ARGV do
  local mark = tonumber(redis.call('HGET', KEYS[3], ARGV[nth]) or 0)
  redis.call('HSET', KEYS[3], ARGV[nth], math.max(sequence, mark))
end";

/// What is written without anybody waiting.
#[derive(Debug)]
pub(super) enum Job {
    Put { key: String, place: Arc<Both>, tags: String, value: Vec<u8>, ttl_s: u64 },
    Mark { epoch: String, sequence: u64, tags: Vec<String>, joined: bool },
}

pub(super) struct Region {
    redis: ConnectionManager,
    get: Script,
    put: Script,
    mark: Script,
}

impl Region {
    pub(super) fn open(url: &str) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(TIMEOUT))
            .set_connection_timeout(Some(TIMEOUT))
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)?;
        let script = |body: &str| Script::new(&[EPOCH, body].concat());
        Ok(Self { redis, get: script(GET), put: script(PUT), mark: script(MARK) })
    }

    /// Tags and value.
    pub(super) async fn get(&self, key: &str, now: &Both, key_mark: &str) -> RedisResult<Option<(String, Vec<u8>)>> {
        let mut call = begun(&self.get, key);
        let (epoch, sequence) = catalog(now);
        call.arg(&now.orders.epoch).arg(epoch).arg(sequence).arg(key_mark);
        call.invoke_async(&mut self.redis.clone()).await
    }

    async fn work(&self, job: &Job) -> RedisResult<()> {
        match job {
            Job::Put { key, place, tags, value, ttl_s } => {
                let mut call = begun(&self.put, key);
                let (epoch, sequence) = catalog(place);
                call.arg(&place.orders.epoch).arg(place.orders.sequence).arg(epoch).arg(sequence);
                call.arg(tags).arg(&value[..]).arg(*ttl_s);
                call.invoke_async(&mut self.redis.clone()).await
            }
            Job::Mark { epoch, sequence, tags, joined } => {
                let mut call = begun(&self.mark, "edge:none");
                call.arg(epoch).arg(*sequence).arg(u8::from(*joined)).arg(MAX_MARKS);
                for tag in tags {
                    call.arg(crate::purge::tag_mark(tag));
                }
                call.invoke_async(&mut self.redis.clone()).await
            }
        }
    }
}

fn begun<'a>(script: &'a Script, key: &str) -> redis::ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    call.key(MARKS).key(STREAM).key(CATALOG).key(key).arg(Uuid::new_v4().to_string());
    call
}

fn catalog(place: &Both) -> (&str, u64) {
    place.catalog.as_ref().map_or(("", 0), |(epoch, sequence)| (epoch, *sequence))
}

/// Writes one after the other, for ever. What fails is given up; a mark that is missing there breaks the chain of numbers.
pub(super) async fn work(region: Arc<Region>, mut jobs: mpsc::Receiver<Job>) {
    while let Some(job) = jobs.recv().await {
        if let Err(error) = region.work(&job).await {
            tracing::debug!(%error, "not written to the region's Redis");
            metrics::counter!("edge_l2_total", "result" => "unwritten").increment(1);
        }
    }
}
