//! The connection to PostgreSQL. Everything here has a deadline: a checkout must not wait for a database that is away.

mod connections;
mod error;
mod gather;
mod indexes;
mod months;
mod presence;
mod schema;

use std::{
    future::Future,
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use sqlx::postgres::PgConnectOptions;

pub(crate) use connections::Connections;
pub(crate) use error::DatabaseError;
pub(crate) use gather::{Gather, Gathered};
pub(crate) use months::{keep_months_ahead, make_months};
use presence::{Admitted, PROBE_EVERY, Presence};
pub(crate) use schema::migrate;

/// Longest wait for a connection and its answer together.
const DEADLINE: Duration = Duration::from_millis(1_500);

/// PostgreSQL ends a statement itself before the deadline does, and says so: then it is slow, and not away.
const STATEMENT_MS: &str = "1200";

/// A statement waits so long for a lock; a migration holds one for less, and waits for it for less.
const LOCK_MS: &str = "1000";

/// A transaction whose client was lost gives its locks back.
const IDLE_MS: &str = "5000";

/// A client that is gone without a word gives its locks back after 20 s, not after the two hours of the operating system; what PostgreSQL sends
/// to it is not waited for longer, either.
pub(crate) const NOTICED_WHEN_GONE: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "20000"),
];

/// Whether PostgreSQL answers this process.
static PRESENCE: Mutex<Presence> = Mutex::new(Presence::new());
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A pool that connects when it is first used.
pub(crate) fn pool(url: &str) -> Result<Connections, sqlx::Error> {
    let bounds =
        [("statement_timeout", STATEMENT_MS), ("lock_timeout", LOCK_MS), ("idle_in_transaction_session_timeout", IDLE_MS)];
    let options = url.parse::<PgConnectOptions>()?.options(bounds).options(NOTICED_WHEN_GONE);
    Ok(Connections::new(options.application_name("orders")))
}

/// Tries PostgreSQL once a second while it is away, so that no caller waits for it; never ends.
pub(crate) async fn watch(sql: Connections) {
    presence(Presence::watch);
    loop {
        tokio::time::sleep(PROBE_EVERY).await;
        metrics::gauge!("orders_database_connections_busy").set(sql.busy() as f64);
        if presence(|presence| presence.is_away()) && matches!(tokio::time::timeout(DEADLINE, commit(&sql)).await, Ok(Ok(()))) {
            tracing::info!("PostgreSQL answers again");
            presence(|presence| presence.heard(BEGAN.elapsed()));
        }
    }
}

/// What a record needs, without its rows: a connection of the same pool, and a commit that reaches the disk and the synchronous standby. That a
/// server takes connections says nothing about either.
async fn commit(sql: &Connections) -> Result<(), sqlx::Error> {
    let written = sqlx::query_scalar!(r#"select pg_logical_emit_message(true, 'orders', 'is it there?')::text as "at!""#);
    written.fetch_one(sql).await.map(drop)
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
