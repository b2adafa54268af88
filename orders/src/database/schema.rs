//! Brings the schema up to date while others go on recording.
//!
//! Owns: that one instance does it at a time, how long it waits for locks, and what is built before the migration that needs it. Must not: hold a
//! snapshot or a lock of a table while it waits for anything: whoever records queues behind it.

use std::time::Duration;

use sqlx::{
    ConnectOptions, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};
use tokio::time::{sleep, timeout};

use super::{DEADLINE, NOTICED_WHEN_GONE, indexes};

/// Longest wait for a lock. Writers queue behind who waits, and themselves give up after a second; a migration that does not get its lock is tried
/// again by whoever wants the schema.
const LOCK_MS: &str = "200";

/// Between two looks whether another instance is still at it. Who waits in a statement would hold a snapshot, and an index that is built
/// concurrently waits for all of these.
const LOOK: Duration = Duration::from_millis(200);

/// The migration that needs the indexes.
const INDEXED: i64 = 8;

fn migrations() -> Migrator {
    let mut all = sqlx::migrate!();
    // The lock is taken here. A program of the version before goes on beside a newer schema, also when it is started again.
    all.set_locking(false).set_ignore_missing(true);
    all
}

/// Does what is left to do, and nothing when all is done. Interrupted or refused a lock, it goes on from there the next time. Not on a connection of
/// the pool, whose statements may not take as long.
pub(crate) async fn migrate(url: &str) -> Result<(), MigrateError> {
    let options = url.parse::<PgConnectOptions>()?.application_name("orders migration");
    let options = options.options(NOTICED_WHEN_GONE).options([("lock_timeout", LOCK_MS)]);
    let mut sql = timeout(DEADLINE, options.connect()).await.map_err(|_| sqlx::Error::PoolTimedOut)??;
    while !lock(&mut sql).await? {
        sleep(LOOK).await;
    }
    let all = migrations();
    all.run_direct(Some(INDEXED - 1), &mut sql, false).await?;
    indexes::build(&mut sql).await?;
    all.run_direct(None, &mut sql, false).await
    // The lock ends with the connection.
}

async fn lock(sql: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query_scalar!(r#"select pg_try_advisory_lock(hashtextextended('orders schema', 0)) as "taken!""#);
    taken.fetch_one(sql).await
}
