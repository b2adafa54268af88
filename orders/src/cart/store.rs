//! Reading and changing carts over both stores.

use std::sync::{Arc, PoisonError, RwLock};

use redis::{AsyncCommands, aio::ConnectionManager};
use sqlx::{PgPool, types::Json};
use storefront_types::ShopperId;
use uuid::Uuid;

use super::{ChangeError, Stored, StoredLine};
use crate::database::{DatabaseError, within};

/// A copy in Redis ends after a week; PostgreSQL keeps the cart.
const COPY_S: u64 = 7 * 24 * 60 * 60;

/// Carts that PostgreSQL has not got yet, by shopper.
const DIRTY: &str = "cart-dirty";

/// Attempts when another instance changed the cart in between.
const ATTEMPTS: usize = 4;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CartError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// Neither store can answer, or the cart changes all the time: try later.
    #[error("carts cannot be read or written now: {0}")]
    Unavailable(String),
}

impl From<DatabaseError> for CartError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[derive(Clone)]
pub(crate) struct Carts {
    sql: PgPool,
    redis: ConnectionManager,
    /// Part of every key; see the module above.
    epoch: Arc<RwLock<Uuid>>,
}

impl Carts {
    pub(crate) fn new(sql: PgPool, redis: ConnectionManager) -> Self {
        Self { sql, redis, epoch: Arc::new(RwLock::new(Uuid::new_v4())) }
    }

    fn key(&self, shopper: ShopperId) -> String {
        format!("cart:{}:{shopper}", self.epoch.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Redis missed a write: nothing that it has may be believed any more.
    fn distrust(&self) {
        *self.epoch.write().unwrap_or_else(PoisonError::into_inner) = Uuid::new_v4();
    }

    pub(crate) async fn read(&self, shopper: ShopperId) -> Result<Stored, CartError> {
        let mut redis = self.redis.clone();
        let copy: Result<Option<String>, _> = redis.get(self.key(shopper)).await;
        if let Some(cart) = copy.ok().flatten().and_then(|text| serde_json::from_str(&text).ok()) {
            return Ok(cart);
        }
        let unwritten: Result<Option<String>, _> = redis.hget(DIRTY, shopper.to_string()).await;
        let unwritten: Option<Stored> = unwritten.ok().flatten().and_then(|text| serde_json::from_str(&text).ok());
        let recorded = match self.read_sql(shopper).await {
            Ok(recorded) => recorded,
            Err(error) => return unwritten.ok_or(error),
        };
        let cart = unwritten.filter(|cart| cart.version > recorded.version).unwrap_or(recorded);
        // Best effort: a copy that is not made costs a look-up.
        let _ = self.copy(shopper, &cart).await;
        Ok(cart)
    }

    async fn read_sql(&self, shopper: ShopperId) -> Result<Stored, CartError> {
        let find = sqlx::query!(
            r#"select version, lines as "lines: Json<Vec<StoredLine>>" from cart where shopper_id = $1"#,
            shopper.uuid(),
        );
        let found = within(find.fetch_optional(&self.sql)).await?;
        Ok(found.map_or_else(Stored::default, |row| Stored { version: row.version, lines: row.lines.0 }))
    }

    async fn copy(&self, shopper: ShopperId, cart: &Stored) -> Result<(), redis::RedisError> {
        let text = serde_json::to_string(cart).unwrap_or_default();
        // A slow reader must not put an older cart over a newer one.
        let newer = redis::Script::new(
            "local known = redis.call('get', KEYS[1])
             if known and cjson.decode(known).version > tonumber(ARGV[2]) then return 0 end
             redis.call('set', KEYS[1], ARGV[1], 'EX', ARGV[3]) return 1",
        );
        let mut redis = self.redis.clone();
        newer.key(self.key(shopper)).arg(text).arg(cart.version).arg(COPY_S).invoke_async::<i64>(&mut redis).await.map(drop)
    }

    /// Changes a cart and counts its version up.
    pub(crate) async fn change<T>(
        &self,
        shopper: ShopperId,
        mut change: impl FnMut(&mut Stored) -> Result<T, ChangeError>,
    ) -> Result<(Stored, T), CartError> {
        for _ in 0..ATTEMPTS {
            let mut cart = self.read(shopper).await?;
            let told = change(&mut cart)?;
            cart.version += 1;
            match self.write_sql(shopper, &cart).await {
                Ok(true) => {
                    if self.copy(shopper, &cart).await.is_err() {
                        self.distrust();
                    }
                    return Ok((cart, told));
                }
                // Another instance was faster: what Redis has here is old.
                Ok(false) => self.distrust(),
                Err(error) => {
                    self.write_redis(shopper, &cart).await.map_err(|_| CartError::from(error))?;
                    return Ok((cart, told));
                }
            }
        }
        Err(CartError::Unavailable("the cart changes all the time".to_owned()))
    }

    /// Empties the cart if it still has the version that was bought.
    pub(crate) async fn settle(&self, shopper: ShopperId, version: i64) -> Result<(), CartError> {
        if self.read(shopper).await?.version != version {
            return Ok(());
        }
        let empty = |cart: &mut Stored| match cart.version == version {
            true => {
                cart.lines.clear();
                Ok(())
            }
            false => Err(ChangeError::NotInCart),
        };
        match self.change(shopper, empty).await {
            Ok(_) | Err(CartError::Change(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes unless PostgreSQL has this version or a newer one.
    async fn write_sql(&self, shopper: ShopperId, cart: &Stored) -> Result<bool, DatabaseError> {
        let lines = serde_json::to_value(&cart.lines).unwrap_or_default();
        let upsert = sqlx::query!(
            "insert into cart (shopper_id, version, lines) values ($1, $2, $3)
             on conflict (shopper_id) do update set version = $2, lines = $3, updated_at = now() where cart.version < $2",
            shopper.uuid(),
            cart.version,
            lines,
        );
        let written = within(upsert.execute(&self.sql)).await?;
        Ok(written.rows_affected() == 1)
    }

    /// PostgreSQL is away: Redis has the cart and the note that it is to be written.
    async fn write_redis(&self, shopper: ShopperId, cart: &Stored) -> Result<(), redis::RedisError> {
        let text = serde_json::to_string(cart).unwrap_or_default();
        let mut both = redis::pipe();
        both.atomic().hset(DIRTY, shopper.to_string(), &text).set_ex(self.key(shopper), &text, COPY_S);
        both.query_async(&mut self.redis.clone()).await
    }

    /// Writes behind what PostgreSQL missed, a bounded number at a time. Gives how many were written.
    pub(crate) async fn write_behind(&self) -> Result<usize, CartError> {
        let away = |error: redis::RedisError| CartError::Unavailable(error.to_string());
        let mut redis = self.redis.clone();
        let scan: (u64, Vec<(String, String)>) =
            redis::cmd("HSCAN").arg(DIRTY).arg(0).arg("COUNT").arg(100).query_async(&mut redis).await.map_err(away)?;
        let mut written = 0;
        for (shopper, text) in scan.1 {
            if let (Ok(id), Ok(cart)) = (shopper.parse::<ShopperId>(), serde_json::from_str::<Stored>(&text)) {
                if !self.write_sql(id, &cart).await? {
                    // Another region was there with this version or a newer one; its cart stands.
                    tracing::warn!(%shopper, version = cart.version, "a cart that waited was overtaken");
                    let _: i64 = redis.del(self.key(id)).await.map_err(away)?;
                }
                written += 1;
            }
            // Only if it was not changed again in between.
            let forget = redis::Script::new(
                "if redis.call('hget', KEYS[1], ARGV[1]) == ARGV[2] then return redis.call('hdel', KEYS[1], ARGV[1]) end return 0",
            );
            let _: i64 = forget.key(DIRTY).arg(&shopper).arg(&text).invoke_async(&mut redis).await.map_err(away)?;
        }
        Ok(written)
    }
}
