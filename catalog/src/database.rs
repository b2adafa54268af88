//! The connection to PostgreSQL.

use std::time::Duration;

use sqlx::{PgPool, migrate::Migrator, postgres::PgPoolOptions};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Connections of one process: the read model needs two, an import one.
const MAX_CONNECTIONS: u32 = 4;

/// A pool that connects when it is first used; a wait for a connection ends after 5 s.
pub(crate) fn pool(url: &str) -> Result<PgPool, sqlx::Error> {
    PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(Duration::from_secs(5)).connect_lazy(url)
}

/// Brings the schema up to date; safe when several processes do it at once (advisory lock).
pub(crate) async fn migrate(pool: &PgPool) -> Result<(), sqlx::migrate::MigrateError> {
    MIGRATIONS.run(pool).await
}
