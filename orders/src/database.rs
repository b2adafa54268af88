//! The connection to PostgreSQL. Everything here has a deadline: a checkout must not wait for a database that is away.

mod error;
mod gather;
mod months;
mod presence;

use std::{
    future::Future,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::{
    ConnectOptions, Connection, PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub(crate) use error::DatabaseError;
pub(crate) use gather::{Gather, Gathered};
pub(crate) use months::{keep_months_ahead, make_months};
use presence::{Admitted, PROBE_EVERY, Presence};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Connections of one instance. Concurrent requests are gathered into few statements, so that few are enough; three regions x 16 leave most of
/// PostgreSQL's 200 to others.
const MAX_CONNECTIONS: u32 = 16;

/// Longest wait for a connection and its answer together.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// PostgreSQL ends a statement itself before the deadline does, and says so: then it is slow, and not away.
const STATEMENT_MS: &str = "1200";

/// A statement waits so long for a lock; migrations that need one are quick.
const LOCK_MS: &str = "1000";

/// A transaction whose client was lost gives its locks back.
const IDLE_MS: &str = "5000";

/// Whether PostgreSQL answers this process.
static PRESENCE: Mutex<Presence> = Mutex::new(Presence::new());
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A pool that connects when it is first used.
pub(crate) fn pool(url: &str) -> Result<PgPool, sqlx::Error> {
    let bounds =
        [("statement_timeout", STATEMENT_MS), ("lock_timeout", LOCK_MS), ("idle_in_transaction_session_timeout", IDLE_MS)];
    let options = url.parse::<PgConnectOptions>()?.options(bounds).application_name("orders");
    Ok(PgPoolOptions::new().max_connections(MAX_CONNECTIONS).acquire_timeout(DEADLINE).connect_lazy_with(options))
}

/// Brings the schema up to date; safe when all regions do it at once (advisory lock). On a connection without the pool's bounds: a migration
/// says itself how long it may hold what.
pub(crate) async fn migrate(url: &str) -> Result<(), sqlx::migrate::MigrateError> {
    let options = url.parse::<PgConnectOptions>()?.application_name("orders migration");
    let one = PgPoolOptions::new().max_connections(1).acquire_timeout(DEADLINE).connect_with(options).await?;
    let done = MIGRATIONS.run(&one).await;
    one.close().await;
    done
}

/// Tries PostgreSQL once a second while it is away, so that no caller waits for it; never ends. On a connection of its own: a pool tries a server
/// that refuses again and again until its deadline.
pub(crate) async fn watch(url: String) {
    presence(Presence::watch);
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        if !presence(|presence| presence.is_away()) {
            continue;
        }
        let Ok(options) = url.parse::<PgConnectOptions>() else { return };
        let tried = async { options.application_name("orders probe").connect().await?.close().await };
        if matches!(tokio::time::timeout(DEADLINE, tried).await, Ok(Ok(()))) {
            tracing::info!("PostgreSQL answers again");
            presence(|presence| presence.heard(BEGAN.elapsed()));
        }
    }
}

/// Runs database work under the deadline. While PostgreSQL is away only one call a second waits for it, so that a checkout
/// does not wait once for each of its questions.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DatabaseError> {
    let began = BEGAN.elapsed();
    if presence(|presence| presence.admit(began)) == Admitted::No {
        return Err(DatabaseError::Away);
    }
    let done = match tokio::time::timeout(DEADLINE, work).await {
        Ok(done) => done.map_err(DatabaseError::from),
        Err(_) => Err(DatabaseError::NoAnswer { after: DEADLINE }),
    };
    let now = BEGAN.elapsed();
    let begins = presence(|presence| {
        let was_away = presence.is_away();
        match &done {
            Err(error) if error.is_unheard() => presence.unheard(began, now),
            Err(error) if error.is_going() => presence.gone(now),
            _ => presence.heard(now),
        }
        presence.is_away() && !was_away
    });
    if begins {
        tracing::warn!("PostgreSQL is away; checkouts go on without it");
    }
    done
}

fn presence<T>(look: impl FnOnce(&mut Presence) -> T) -> T {
    look(&mut PRESENCE.lock().unwrap_or_else(PoisonError::into_inner))
}
