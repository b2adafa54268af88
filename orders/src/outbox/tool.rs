//! `orders outbox`: what operators do about parked events.

use anyhow::{Context, ensure};
use serde::Serialize;
use sqlx::{Connection, PgConnection};
use time::OffsetDateTime;

use super::{
    args::{OutboxArgs, OutboxCommand},
    oldest, room,
};

#[derive(Serialize)]
struct SinkState {
    sink: String,
    /// Rows that it was not told yet; at most 100,000 are counted.
    waiting: i64,
    parked: i64,
    /// Events that went before it was told, because the outbox was full. Its consumers must read the orders themselves.
    missed: i64,
    #[serde(with = "time::serde::rfc3339::option")]
    missed_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

#[derive(Serialize)]
struct Parked {
    sink: String,
    row_id: i64,
    #[serde(rename = "type")]
    topic: String,
    order: String,
    sequence: i32,
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    parked_at: OffsetDateTime,
    is_replayed: bool,
}

/// Runs one command and tells what it did as JSON.
pub async fn outbox_tool(args: OutboxArgs) -> anyhow::Result<()> {
    ensure!(!args.database_url.is_empty(), "say --database-url URL, or set DATABASE_URL");
    let mut sql = PgConnection::connect(&args.database_url).await.context("PostgreSQL does not answer")?;
    let told = match args.command {
        OutboxCommand::List { limit } => {
            let (sinks, parked) = (sinks(&mut sql).await?, parked(&mut sql, limit).await?);
            let (rows, oldest) = (room::rows(&mut sql).await?, oldest::writing(&mut sql).await?);
            serde_json::json!({"rows": rows, "held_back_by": oldest, "sinks": sinks, "parked": parked})
        }
        OutboxCommand::Replay { sink, order } => {
            let order = order.map(|order| order.to_string());
            let update = sqlx::query!(
                "update outbox_parked set is_replayed = true where sink = $1 and ($2::text is null or key = $2)",
                sink,
                order,
            );
            serde_json::json!({"replayed": update.execute(&mut sql).await?.rows_affected()})
        }
        OutboxCommand::Drop { sink, row } => drop_one(&mut sql, &sink, row).await?,
        OutboxCommand::Forget { sink } => {
            let mut transaction = sql.begin().await?;
            sqlx::query!("delete from outbox_parked where sink = $1", sink).execute(&mut *transaction).await?;
            let gone = sqlx::query!("delete from outbox_sink where name = $1", sink).execute(&mut *transaction).await?;
            transaction.commit().await?;
            ensure!(gone.rows_affected() == 1, "there is no sink {sink:?}; `orders outbox list` names them");
            serde_json::json!({"forgotten": sink})
        }
    };
    println!("{told}");
    Ok(())
}

async fn sinks(sql: &mut PgConnection) -> Result<Vec<SinkState>, sqlx::Error> {
    sqlx::query_as!(
        SinkState,
        r#"select name as sink, updated_at, missed, missed_at,
               (select count(*) from (select from outbox where (outbox.transaction_id, id) > (sink.transaction_id, row_id)
                                      limit 100000) as left_over) as "waiting!",
               (select count(*) from outbox_parked where outbox_parked.sink = name) as "parked!"
           from outbox_sink as sink order by name"#,
    )
    .fetch_all(sql)
    .await
}

async fn parked(sql: &mut PgConnection, limit: i64) -> Result<Vec<Parked>, sqlx::Error> {
    sqlx::query_as!(
        Parked,
        r#"select sink, row_id, topic, key as "order", sequence, reason, parked_at, is_replayed
           from outbox_parked order by sink, row_id limit $1"#,
        limit,
    )
    .fetch_all(sql)
    .await
}

async fn drop_one(sql: &mut PgConnection, sink: &str, row: i64) -> anyhow::Result<serde_json::Value> {
    let mut transaction = sql.begin().await?;
    let dropped = sqlx::query_scalar!("delete from outbox_parked where sink = $1 and row_id = $2 returning key", sink, row);
    let Some(key) = dropped.fetch_optional(&mut *transaction).await? else {
        anyhow::bail!("{sink:?} has no parked row {row}; `orders outbox list` names them");
    };
    let behind = sqlx::query!("update outbox_parked set is_replayed = true where sink = $1 and key = $2", sink, key);
    let behind = behind.execute(&mut *transaction).await?.rows_affected();
    transaction.commit().await?;
    Ok(serde_json::json!({"dropped": row, "order": key, "replayed": behind}))
}
