//! The connection to PostgreSQL. Everything here has a deadline: a checkout must not wait for a database that is away.

use std::{future::Future, time::Duration};

use sqlx::{PgPool, migrate::Migrator, postgres::PgPoolOptions};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Connections of one instance. Three regions x 32 stay below PostgreSQL's 200.
const MAX_CONNECTIONS: u32 = 32;

/// Longest wait for a connection and its answer together, before PostgreSQL counts as away.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// PostgreSQL is away, or refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("PostgreSQL did not answer within {DEADLINE:?}")]
    TooSlow,
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
}

/// A pool that connects when it is first used.
pub(crate) fn pool(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(DEADLINE).connect_lazy(url)
}

/// Brings the schema up to date; safe when all regions do it at once (advisory lock).
pub(crate) async fn migrate(pool: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    MIGRATIONS.run(pool).await
}

/// Runs database work under the deadline.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DatabaseError> {
    match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(DatabaseError::TooSlow),
    }
}
