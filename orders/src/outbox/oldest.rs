//! Which transaction holds events back: the oldest of the whole server that writes.

use serde::Serialize;
use sqlx::PgConnection;

/// A transaction that has written and has not ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Writing {
    /// Of its backend: `select pg_terminate_backend(pid)` ends it. 0: it is prepared, and nobody's.
    pub(super) pid: i32,
    /// Or the name of a prepared transaction.
    pub(super) application: String,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) state: String,
    pub(super) age_s: f64,
}

/// Nobody else's: a role without rights on the others sees that they are there, and not since when.
pub(super) async fn writing(sql: &mut PgConnection) -> Result<Option<Writing>, sqlx::Error> {
    let oldest = sqlx::query_as!(
        Writing,
        r#"select pid as "pid!", application as "application!", owner as "user!", database as "database!", state as "state!",
               coalesce(extract(epoch from clock_timestamp() - since)::float8, 0) as "age_s!"
           from (
               select pid, coalesce(application_name, '') as application, coalesce(usename::text, '') as owner,
                   coalesce(datname::text, '') as database, coalesce(state, '') as state, xact_start as since, age(backend_xid) as place
               from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
               union all
               select 0, gid, owner::text, database::text, 'prepared', prepared, age(transaction) from pg_prepared_xacts
           ) as open_now
           order by place desc limit 1"#,
    );
    oldest.fetch_optional(sql).await
}
