//! The tables of the outbox: what waits, how far each sink is, what is parked.
//!
//! Every call is on the relay's own connection, whose session holds the sink's lock: who lost the lock cannot write any more.

use sqlx::{Connection, PgConnection};

use super::envelope::Waiting;

/// Rows deleted by one statement.
const DELETED: i64 = 5_000;

/// Where a sink is: everything up to this row was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cursor {
    pub(super) transaction_id: i64,
    pub(super) row_id: i64,
}

impl Cursor {
    pub(super) fn at(row: &Waiting) -> Self {
        Self { transaction_id: row.transaction_id, row_id: row.row_id }
    }
}

/// Takes the lock of a sink for as long as the connection lasts, if nobody has it.
pub(super) async fn lock(sql: &mut PgConnection, sink: &str) -> Result<bool, sqlx::Error> {
    let taken =
        sqlx::query_scalar!(r#"select pg_try_advisory_lock(hashtextextended('outbox sink ' || $1::text, 0)) as "taken!""#, sink);
    taken.fetch_one(sql).await
}

/// The sink's cursor; a new sink begins with the oldest row that is left. All sinks of this process become known together: otherwise the
/// first of them would delete what it was told before the next one began.
pub(super) async fn cursor(sql: &mut PgConnection, sink: &str, all: &[String]) -> Result<Cursor, sqlx::Error> {
    let known = sqlx::query!("insert into outbox_sink (name) select unnest($1::text[]) on conflict (name) do nothing", all);
    known.execute(&mut *sql).await?;
    let found = sqlx::query_as!(Cursor, "select transaction_id, row_id from outbox_sink where name = $1", sink);
    found.fetch_one(sql).await
}

/// The next rows. Only those of transactions before the oldest one still under way: of these no more can appear.
pub(super) async fn waiting(sql: &mut PgConnection, after: Cursor, limit: i64) -> Result<Vec<Waiting>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Waiting,
        r#"select id as row_id, transaction_id, topic, key, sequence, payload::text as "payload!", created_at from outbox
           where (transaction_id, id) > ($1, $2) and transaction_id < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
           order by transaction_id, id limit $3"#,
        after.transaction_id,
        after.row_id,
        limit,
    );
    rows.fetch_all(sql).await
}

pub(super) async fn advance(sql: &mut PgConnection, sink: &str, to: Cursor) -> Result<(), sqlx::Error> {
    let update = sqlx::query!(
        "update outbox_sink set transaction_id = $2, row_id = $3, updated_at = now() where name = $1",
        sink,
        to.transaction_id,
        to.row_id,
    );
    update.execute(sql).await.map(drop)
}

/// Which of these orders have parked events.
pub(super) async fn parked_of(sql: &mut PgConnection, sink: &str, keys: &[String]) -> Result<Vec<String>, sqlx::Error> {
    let keys = sqlx::query_scalar!("select distinct key from outbox_parked where sink = $1 and key = any($2)", sink, keys);
    keys.fetch_all(sql).await
}

pub(super) async fn parked_count(sql: &mut PgConnection, sink: &str) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar!(r#"select count(*) as "count!" from outbox_parked where sink = $1"#, sink);
    count.fetch_one(sql).await
}

/// Parks a row and steps over it, together. One that comes behind others that are sent again is sent again with them.
pub(super) async fn park(sql: &mut PgConnection, sink: &str, row: &Waiting, reason: &str) -> Result<(), sqlx::Error> {
    let mut transaction = sql.begin().await?;
    sqlx::query!(
        "insert into outbox_parked (sink, row_id, topic, key, sequence, payload, created_at, reason, is_replayed)
         values ($1, $2, $3, $4, $5, $6::text::jsonb, $7, $8,
                 exists (select from outbox_parked where sink = $1 and key = $4 and is_replayed))
         on conflict (sink, row_id) do nothing",
        sink,
        row.row_id,
        row.topic,
        row.key,
        row.sequence,
        row.payload,
        row.created_at,
        reason,
    )
    .execute(&mut *transaction)
    .await?;
    advance(&mut transaction, sink, Cursor::at(row)).await?;
    transaction.commit().await
}

/// Parked rows that an operator wants sent again, in order.
pub(super) async fn replayed(sql: &mut PgConnection, sink: &str, limit: i64) -> Result<Vec<Waiting>, sqlx::Error> {
    let rows = sqlx::query_as!(
        Waiting,
        r#"select row_id, 0::bigint as "transaction_id!", topic, key, sequence, payload::text as "payload!", created_at
           from outbox_parked where sink = $1 and is_replayed order by row_id limit $2"#,
        sink,
        limit,
    );
    rows.fetch_all(sql).await
}

/// Sent after all.
pub(super) async fn unpark(sql: &mut PgConnection, sink: &str, rows: &[i64]) -> Result<(), sqlx::Error> {
    let delete = sqlx::query!("delete from outbox_parked where sink = $1 and row_id = any($2)", sink, rows);
    delete.execute(sql).await.map(drop)
}

/// Refused again: it stays with those behind it.
pub(super) async fn refused_again(sql: &mut PgConnection, sink: &str, row: &Waiting, reason: &str) -> Result<(), sqlx::Error> {
    let update = sqlx::query!(
        "update outbox_parked set is_replayed = false, reason = case when row_id = $3 then $4 else reason end
         where sink = $1 and key = $2",
        sink,
        row.key,
        row.row_id,
        reason,
    );
    update.execute(sql).await.map(drop)
}

/// Deletes what every sink has; gives how many.
pub(super) async fn delete_told(sql: &mut PgConnection) -> Result<u64, sqlx::Error> {
    let least = sqlx::query_as!(Cursor, "select transaction_id, row_id from outbox_sink order by transaction_id, row_id limit 1");
    let Some(least) = least.fetch_optional(&mut *sql).await? else { return Ok(0) };
    let delete = sqlx::query!(
        "delete from outbox where id in (select id from outbox where (transaction_id, id) <= ($1, $2)
                                         order by transaction_id, id limit $3)",
        least.transaction_id,
        least.row_id,
        DELETED,
    );
    Ok(delete.execute(sql).await?.rows_affected())
}

/// Seconds since the oldest row that a sink was not told yet; 0 when there is none.
pub(super) async fn lag_s(sql: &mut PgConnection, after: Cursor) -> Result<f64, sqlx::Error> {
    let oldest = sqlx::query_scalar!(
        r#"select extract(epoch from now() - created_at)::float8 as "age!" from outbox
           where (transaction_id, id) > ($1, $2) order by transaction_id, id limit 1"#,
        after.transaction_id,
        after.row_id,
    );
    Ok(oldest.fetch_optional(sql).await?.unwrap_or(0.0).max(0.0))
}
