//! The connections of this instance to PostgreSQL: a bounded number, of which none is lost to a peer that fell silent.
//!
//! Owns: a pool of sqlx, and how long anything may take with one of its connections. A connection that is given back is asked whether it is well,
//! because a statement may have been left in the middle. sqlx does so without a limit, and holds the connection's place meanwhile: after an outage
//! in which packets vanish all places would be held by connections that nobody ever answers again. Must not: know what is asked, or run outside
//! a deadline of its caller's.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use futures_util::{
    FutureExt, TryFutureExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection, Describe, Either, Error, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
    pool::{PoolConnection, PoolConnectionMetadata},
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::{runtime::Handle, time::timeout};

use super::DEADLINE;

/// Connections of one instance. Concurrent requests are gathered into few statements, so that few are enough; three regions x 16 leave most of
/// PostgreSQL's 200 to others.
pub(super) const MAX_CONNECTIONS: u32 = 16;

/// A connection that was used within this time is taken as it is: that it is asked twice a statement would be a third of all round trips.
const FRESH: Duration = Duration::from_secs(1);

/// Longest answer of a connection that lay idle. Then it is left, and a new one is made within the same deadline.
const IDLE_ANSWER: Duration = Duration::from_millis(500);

/// Longest time in which a connection that is given back ends what it was asked. PostgreSQL ends a statement itself before this.
const GIVEN_BACK: Duration = DEADLINE;

/// Cheap to clone; clones share the connections.
#[derive(Clone, Debug)]
pub(crate) struct Connections(PgPool);

/// A connection that goes back when the value ends.
#[derive(Debug)]
pub(crate) struct Held(PoolConnection<Postgres>);

impl Connections {
    /// Connects when it is first used.
    pub(super) fn new(options: PgConnectOptions) -> Self {
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(DEADLINE)
            .test_before_acquire(false)
            .before_acquire(|connection, metadata| Box::pin(is_usable(connection, metadata)));
        Self(pool.connect_lazy_with(options))
    }

    /// For several statements on one connection, as a transaction is.
    pub(crate) async fn acquire(&self) -> Result<Held, Error> {
        Ok(Held(self.0.acquire().await?))
    }

    /// Connections that are with somebody, or on their way back.
    pub(super) fn busy(&self) -> usize {
        usize::try_from(self.0.size()).unwrap_or(usize::MAX).saturating_sub(self.0.num_idle())
    }
}

async fn is_usable(connection: &mut PgConnection, metadata: PoolConnectionMetadata) -> Result<bool, Error> {
    if metadata.idle_for < FRESH {
        return Ok(true);
    }
    match timeout(IDLE_ANSWER, connection.ping()).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Err(Error::PoolTimedOut),
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let back = self.0.return_to_pool();
        // Without a runtime nothing can be asked: the connection ends, and its place is free.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if timeout(GIVEN_BACK, back).await.is_err() {
                metrics::counter!("orders_database_connections_silent_total").increment(1);
                tracing::info!("a connection to PostgreSQL fell silent; it is left");
            }
        });
    }
}

impl Deref for Held {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.0
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}

/// Each statement on a connection of its own.
impl<'p> Executor<'p> for &'_ Connections {
    type Database = Postgres;

    /// All rows at once: every statement here has a bound on them.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        let all = async move {
            let mut held = connections.acquire().await?;
            let rows: Vec<_> = held.fetch_many(query).try_collect().await?;
            Ok(stream::iter(rows.into_iter().map(Ok)))
        };
        Box::pin(all.try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let connections = self.clone();
        async move { connections.acquire().await?.fetch_optional(query).await }.boxed()
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'p: 'e,
    {
        let connections = self.clone();
        async move { connections.acquire().await?.prepare_with(sql, parameters).await }.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'p: 'e,
    {
        let connections = self.clone();
        async move { connections.acquire().await?.describe(sql).await }.boxed()
    }
}
