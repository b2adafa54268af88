//! The list of purges in a region's Redis: numbered, in order, with the newest number of each tag beside it.
//!
//! Two keys: the stream `edge:purges` with the newest purges, and the hash `edge:purged` with the epoch, the newest number, and marks.
//! The hash is lost as a whole or not at all; when it is lost, or Redis ran anew and may have lost its last second, the epoch is another
//! one, and everybody knows that numbers mean nothing any more.

use redis::{RedisResult, aio::ConnectionLike};
use uuid::Uuid;

use super::order::Purge;

pub(crate) const STREAM: &str = "edge:purges";
pub(crate) const MARKS: &str = "edge:purged";

/// Marks of the catalog's purges, which end with the epoch too.
pub(crate) const CATALOG: &str = "edge:catalog";

/// Purges that the stream keeps. An order has at most 64 KiB, so that it takes at most 64 MB, in practice some 100 KB. An edge that was
/// away for more finds a gap.
const MAX_KEPT: usize = 1_000;

/// Marks of tags and targets: at 100 bytes 10 MB. Beyond, all of them are one mark for everything.
const MAX_MARKS: usize = 100_000;

/// Purges taken over at once.
const AT_ONCE: usize = 100;

/// Sets `epoch`. `ARGV[1]` makes a new one.
pub(crate) const EPOCH: &str = "
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local epoch = redis.call('HGET', KEYS[1], '#epoch')
if not epoch or string.sub(epoch, 1, #run) ~= run then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3])
  epoch = run .. ':' .. ARGV[1]
  redis.call('HSET', KEYS[1], '#epoch', epoch, '#sequence', '0')
end
";

/// `ARGV`: purge, most purges kept, most marks, marks...
const APPEND: &str = "
local sequence = redis.call('HINCRBY', KEYS[1], '#sequence', 1)
redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], string.format('%.0f-0', sequence), 'purge', ARGV[2])
for nth = 5, #ARGV do
  redis.call('HSET', KEYS[1], ARGV[nth], sequence)
end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], '#epoch', epoch, '#sequence', sequence, '#everything', sequence)
end
return sequence";

/// `ARGV`: known epoch, known number, how many.
const SINCE: &str = "
local purges = {}
if epoch == ARGV[2] then
  local first = string.format('%.0f-0', tonumber(ARGV[3]) + 1)
  for nth, entry in ipairs(redis.call('XRANGE', KEYS[2], first, '+', 'COUNT', ARGV[4])) do
    purges[2 * nth - 1], purges[2 * nth] = entry[1], entry[2][2]
  end
end
return {epoch, redis.call('HGET', KEYS[1], '#sequence'), purges}";

/// How far the list was followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) epoch: String,
    pub(crate) sequence: u64,
}

/// What the list says.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Where it ends.
    pub(super) end: Place,
    /// What came after the place that was asked for, the oldest first; not all, if it is much. `None` for one that cannot be read.
    pub(super) purges: Vec<(u64, Option<Purge>)>,
}

/// The ways to ask, prepared once.
pub(super) struct Ledger {
    append: redis::Script,
    since: redis::Script,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { append: redis::Script::new(&[EPOCH, APPEND].concat()), since: redis::Script::new(&[EPOCH, SINCE].concat()) }
    }
}

impl Ledger {
    /// Adds a purge to the list; gives its number.
    pub(super) async fn append(&self, redis: &mut (impl ConnectionLike + Send), purge: &Purge) -> RedisResult<u64> {
        let mut call = self.append.prepare_invoke();
        call.key(MARKS).key(STREAM).key(CATALOG).arg(Uuid::new_v4().to_string());
        call.arg(serde_json::to_string(purge).unwrap_or_default()).arg(MAX_KEPT).arg(MAX_MARKS);
        for mark in marks(purge) {
            call.arg(mark);
        }
        call.invoke_async(redis).await
    }

    /// What came after a place.
    pub(super) async fn since(&self, redis: &mut (impl ConnectionLike + Send), known: Option<&Place>) -> RedisResult<Heard> {
        let mut call = self.since.prepare_invoke();
        call.key(MARKS).key(STREAM).key(CATALOG).arg(Uuid::new_v4().to_string());
        call.arg(known.map_or("", |place| &place.epoch)).arg(known.map_or(0, |place| place.sequence)).arg(AT_ONCE);
        let (epoch, sequence, listed): (String, u64, Vec<String>) = call.invoke_async(redis).await?;
        let purges = listed.chunks_exact(2).map(|pair| {
            let sequence = pair[0].split('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
            (sequence, serde_json::from_str(&pair[1]).ok())
        });
        Ok(Heard { end: Place { epoch, sequence }, purges: purges.collect() })
    }

    /// Returns when something came after a place, or `limit_ms` are over.
    pub(super) async fn wait(redis: &mut (impl ConnectionLike + Send + Sync), known: &Place, limit_ms: usize) -> RedisResult<()> {
        let mut call = redis::cmd("XREAD");
        call.arg("COUNT").arg(1).arg("BLOCK").arg(limit_ms).arg("STREAMS").arg(STREAM).arg(format!("{}-0", known.sequence));
        call.query_async::<redis::Value>(redis).await.map(drop)
    }
}

/// The fields of the hash that a purge marks.
fn marks(purge: &Purge) -> Vec<String> {
    let tags = purge.tags.iter().map(|tag| tag_mark(tag));
    let keys = purge.keys.iter().map(|(authority, target)| key_mark(authority, target));
    tags.chain(keys).chain(purge.everything.then(|| "#everything".to_owned())).collect()
}

pub(crate) fn tag_mark(tag: &str) -> String {
    format!("t:{tag}")
}

pub(crate) fn key_mark(authority: &str, target: &str) -> String {
    format!("u:{authority}|{target}")
}
