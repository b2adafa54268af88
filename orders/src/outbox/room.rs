//! That the outbox does not grow for ever while a sink is away.
//!
//! Owns: how many rows there may be, and that what goes untold is counted for each sink that misses it. Must not: drop what there is room for.

use sqlx::PgConnection;

/// Rows dropped by one statement; at one every two seconds, more than the orders that this is built for.
const DROPPED: i64 = 5_000;

/// Rows that there are, about: numbers are given in order, and a transaction that failed leaves a gap.
pub(super) async fn rows(sql: &mut PgConnection) -> Result<i64, sqlx::Error> {
    let rows = sqlx::query_scalar!(
        r#"select coalesce((select id from outbox order by id desc limit 1) - (select id from outbox order by id limit 1) + 1, 0) as "rows!""#
    );
    rows.fetch_one(sql).await
}

/// Drops the oldest rows past `max`, and notes them with each sink that was not told; gives how many.
pub(super) async fn make(sql: &mut PgConnection, max: i64) -> Result<u64, sqlx::Error> {
    let dropped = sqlx::query_scalar!(
        r#"with dropped as (
               delete from outbox where id in (
                   select id from outbox where id <= (select id from outbox order by id desc limit 1) - $1 order by id limit $2)
               returning transaction_id, id
           ), noted as (
               update outbox_sink as sink set missed_at = now(), missed = missed + untold.rows
               from (select name, count(*) as rows from dropped join outbox_sink as behind
                         on (dropped.transaction_id, dropped.id) > (behind.transaction_id, behind.row_id) group by name) as untold
               where untold.name = sink.name
           )
           select count(*) as "dropped!" from dropped"#,
        max,
        DROPPED,
    );
    Ok(u64::try_from(dropped.fetch_one(sql).await?).unwrap_or_default())
}

/// Events that a sink was not told and never will be.
pub(super) async fn missed(sql: &mut PgConnection, sink: &str) -> Result<i64, sqlx::Error> {
    let missed = sqlx::query_scalar!("select missed from outbox_sink where name = $1", sink);
    Ok(missed.fetch_optional(sql).await?.unwrap_or(0))
}
