//! Sessions: in PostgreSQL, many in one SQL commit, and in the home region's Redis.
//!
//! Owns: that a session which was told to a shopper is known again. A session that began while PostgreSQL was away is in Redis and in this process, and
//! is written behind. Must not: store a token other than as its hash.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;
use redis::{AsyncCommands, aio::ConnectionManager};
use serde::{Deserialize, Serialize};
use storefront_types::ShopperId;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    database::{Connections, DatabaseError, Gather, Gathered, within},
    spare::Spare,
};

/// A session ends 30 days after it began.
const SESSION_S: u64 = 30 * 24 * 60 * 60;

/// Sessions that PostgreSQL has not got yet, by the hash of their token. Without an end, so Redis drops none for want of room.
const UNWRITTEN: &str = "sessions-unwritten";

/// Of one look at what is unwritten.
const SCAN: usize = 1_000;

/// Sessions of one SQL commit.
const MOST: usize = 256;

/// With one under way, what comes meanwhile goes together in the next.
const LANES: usize = 1;

/// Sessions that this process knows for a while: 50,000 x about 100 bytes are 5 MB.
const MOST_KNOWN: usize = 50_000;

/// A session that was found is not looked up again for so long. One that ends is known for this much longer.
const KNOWN: Duration = Duration::from_secs(5);

/// SHA-256 of a token.
pub(super) type TokenHash = [u8; 32];

/// A session as it began; also a guest's, whose shopper is made with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Begun {
    hash: TokenHash,
    shopper: ShopperId,
    ends_at_s: i64,
}

#[derive(Clone)]
pub(super) struct Sessions {
    sql: Connections,
    redis: ConnectionManager,
    recorded: Gather<Begun, ()>,
    spare: Spare<TokenHash, Begun>,
    /// Until when a session is known without a look.
    known: Arc<Cache<TokenHash, (ShopperId, Instant)>>,
}

fn hex(hash: &TokenHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn key(hash: &TokenHash) -> String {
    format!("session:{}", hex(hash))
}

impl Sessions {
    pub(super) fn new(sql: Connections, redis: ConnectionManager) -> Self {
        let recording = sql.clone();
        let record = move |begun: Arc<Vec<Begun>>| {
            let sql = recording.clone();
            async move { record_all(&sql, &begun).await }
        };
        Self {
            sql,
            redis,
            recorded: Gather::start("session", MOST, LANES, record),
            spare: Spare::new(),
            known: Arc::new(Cache::new(MOST_KNOWN)),
        }
    }

    /// Begins a session now.
    pub(super) async fn begin(&self, hash: TokenHash, shopper: ShopperId) -> Result<(), DatabaseError> {
        let ends_at_s = OffsetDateTime::now_utc().unix_timestamp() + i64::try_from(SESSION_S).unwrap_or(i64::MAX);
        let begun = Begun { hash, shopper, ends_at_s };
        let Err(error) = self.recorded.ask(begun).await else {
            // Best effort: a copy that is not made costs a look-up.
            let _ = self.copy(&hash, shopper).await;
            return Ok(());
        };
        let mut redis = self.redis.clone();
        let mut both = redis::pipe();
        both.atomic().hset(UNWRITTEN, hex(&hash), serde_json::to_string(&begun).unwrap_or_default()).ignore();
        both.set_ex(key(&hash), shopper.to_string(), SESSION_S).ignore();
        let kept: Result<(), _> = both.query_async(&mut redis).await;
        // Memory alone would be too little to tell a shopper that it is kept.
        if kept.is_err() {
            return Err(error);
        }
        self.spare.keep(hash, begun);
        Ok(())
    }

    async fn copy(&self, hash: &TokenHash, shopper: ShopperId) -> Result<(), redis::RedisError> {
        self.redis.clone().set_ex(key(hash), shopper.to_string(), SESSION_S).await
    }

    /// Whose session it is; `None` for a token that nobody holds any more.
    pub(super) async fn find(&self, hash: TokenHash) -> Result<Option<ShopperId>, DatabaseError> {
        if let Some((shopper, _)) = self.known.get(&hash).filter(|(_, until)| *until > Instant::now()) {
            return Ok(Some(shopper));
        }
        let found = self.look_up(hash).await?;
        if let Some(shopper) = found {
            self.known.insert(hash, (shopper, Instant::now() + KNOWN));
        }
        Ok(found)
    }

    async fn look_up(&self, hash: TokenHash) -> Result<Option<ShopperId>, DatabaseError> {
        let known: Result<Option<String>, _> = self.redis.clone().get(key(&hash)).await;
        if let Some(shopper) = known.ok().flatten().and_then(|text| text.parse().ok()) {
            return Ok(Some(shopper));
        }
        if let Some(begun) = self.spare.get(hash) {
            return Ok(Some(begun.shopper));
        }
        let find = sqlx::query!(
            r#"select shopper_id, extract(epoch from expires_at - now())::bigint as "left_s!" from session
               where token_hash = $1 and expires_at > now()"#,
            hash.as_slice(),
        );
        let Some(row) = within(find.fetch_optional(&self.sql)).await? else { return Ok(None) };
        let (shopper, left_s) = (ShopperId::new(row.shopper_id), u64::try_from(row.left_s).unwrap_or_default().max(1));
        // Best effort: the next look-up is faster. No copy outlives its session.
        let _: Result<(), _> = self.redis.clone().set_ex(key(&hash), shopper.to_string(), left_s).await;
        Ok(Some(shopper))
    }

    /// Writes behind what PostgreSQL missed. Gives how many sessions were written.
    pub(super) async fn write_behind(&self) -> Result<usize, DatabaseError> {
        let mut written = self.write_all(self.spare.all().into_iter().map(|(_, begun)| begun).collect()).await?;
        let (mut redis, mut cursor) = (self.redis.clone(), 0);
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(UNWRITTEN).arg(cursor).arg("COUNT").arg(SCAN);
            let scanned: Result<(u64, Vec<(String, String)>), _> = scan.query_async(&mut redis).await;
            let Ok((next, kept)) = scanned else { return Ok(written) };
            let kept = kept.iter().filter_map(|(_, text)| serde_json::from_str::<Begun>(text).ok());
            written += self.write_all(kept.collect()).await?;
            cursor = next;
            if cursor == 0 {
                return Ok(written);
            }
        }
    }

    async fn write_all(&self, unwritten: Vec<Begun>) -> Result<usize, DatabaseError> {
        let mut redis = self.redis.clone();
        for some in unwritten.chunks(MOST) {
            within(record(&self.sql, some)).await?;
            let written: Vec<String> = some.iter().map(|begun| hex(&begun.hash)).collect();
            let _: Result<(), _> = redis.hdel(UNWRITTEN, written).await;
            some.iter().for_each(|begun| self.spare.forget(begun.hash, begun));
        }
        Ok(unwritten.len())
    }
}

async fn record_all(sql: &Connections, begun: &[Begun]) -> Gathered<()> {
    match within(record(sql, begun)).await {
        Ok(()) => begun.iter().map(|_| Ok(())).collect(),
        Err(error) => {
            let others = (1..begun.len()).map(|_| Err(DatabaseError::Away));
            std::iter::once(Err(error)).chain(others).collect()
        }
    }
}

/// A second time changes nothing.
async fn record(sql: &Connections, begun: &[Begun]) -> Result<(), sqlx::Error> {
    let hashes: Vec<Vec<u8>> = begun.iter().map(|begun| begun.hash.to_vec()).collect();
    let shoppers: Vec<Uuid> = begun.iter().map(|begun| begun.shopper.uuid()).collect();
    let ends: Vec<OffsetDateTime> = begun
        .iter()
        .map(|begun| OffsetDateTime::from_unix_timestamp(begun.ends_at_s).unwrap_or(OffsetDateTime::UNIX_EPOCH))
        .collect();
    sqlx::query!(
        "with guest as (
             insert into shopper (id) select distinct id from unnest($2::uuid[]) as guest (id) on conflict do nothing
         )
         insert into session (token_hash, shopper_id, expires_at)
         select * from unnest($1::bytea[], $2::uuid[], $3::timestamptz[]) on conflict do nothing",
        &hashes,
        &shoppers,
        &ends,
    )
    .execute(sql)
    .await
    .map(drop)
}
