//! The connection to PostgreSQL. Everything here has a deadline: a checkout must not wait for a database that is away.

use std::{
    future::Future,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{PgPool, migrate::Migrator, postgres::PgPoolOptions};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Connections of one instance. Three regions x 32 stay below PostgreSQL's 200.
const MAX_CONNECTIONS: u32 = 32;

/// Longest wait for a connection and its answer together, before PostgreSQL counts as away.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// After PostgreSQL did not answer, one call in so long tries it; the others are told at once.
const PROBE_EVERY: Duration = Duration::from_millis(1_000);

/// Milliseconds of this process's life until which PostgreSQL counts as away; 0 while it answers.
static AWAY_UNTIL_MS: AtomicU64 = AtomicU64::new(0);
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// PostgreSQL is away, or refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("PostgreSQL did not answer a moment ago")]
    Away,
    #[error("PostgreSQL did not answer within {DEADLINE:?}")]
    TooSlow,
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
}

impl DatabaseError {
    /// Trying later may help; otherwise PostgreSQL has looked at it and refused.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Away | Self::TooSlow => true,
            Self::Sql(error) => matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)),
        }
    }
}

/// A pool that connects when it is first used.
pub(crate) fn pool(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(DEADLINE).connect_lazy(url)
}

/// Brings the schema up to date; safe when all regions do it at once (advisory lock).
pub(crate) async fn migrate(pool: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    MIGRATIONS.run(pool).await
}

/// Runs database work under the deadline. While PostgreSQL is away only one call a second waits for it, so that a checkout
/// does not wait once for each of its questions.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DatabaseError> {
    let now_ms = elapsed_ms();
    let until_ms = AWAY_UNTIL_MS.load(Ordering::Acquire);
    if until_ms > 0 {
        let next_ms = now_ms + ms(PROBE_EVERY);
        let probes =
            until_ms <= now_ms && AWAY_UNTIL_MS.compare_exchange(until_ms, next_ms, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if !probes {
            return Err(DatabaseError::Away);
        }
    }
    let done = match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => done.map_err(DatabaseError::from),
        Err(_) => Err(DatabaseError::TooSlow),
    };
    let away = done.as_ref().err().is_some_and(DatabaseError::is_away);
    AWAY_UNTIL_MS.store(if away { elapsed_ms() + ms(PROBE_EVERY) } else { 0 }, Ordering::Release);
    done
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn elapsed_ms() -> u64 {
    ms(BEGAN.elapsed())
}
