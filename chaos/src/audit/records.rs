//! Every order of PostgreSQL as a stream, from one snapshot; and orders one by one.

use anyhow::Context;
use futures_util::{Stream, StreamExt};
use sqlx::{PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::check::{Record, lines};

/// Orders with their items, also where either is without the other, in order of id.
const ALL: &str = "
    select coalesce(placed.id, items.order_id) as id, (extract(epoch from placed.placed_at) * 1000)::bigint as placed_at_ms,
           coalesce(items.skus, '{}') as skus, coalesce(items.quantities, '{}') as quantities
    from shop_order placed
    full join (select order_id, array_agg(sku) as skus, array_agg(quantity) as quantities from order_item group by order_id) items
        on items.order_id = placed.id
    order by 1";

const ONE: &str = "
    select $1 as id, (select (extract(epoch from placed_at) * 1000)::bigint from shop_order where id = $1) as placed_at_ms,
           array(select sku from order_item where order_id = $1 order by position) as skus,
           array(select quantity from order_item where order_id = $1 order by position) as quantities";

/// Memory of one sort or hash of the audit's statement: a million orders are some hundred megabytes.
const WORK_MEM: &str = "set work_mem = '256MB'";

/// In order of id. The server sorts before the first one comes.
pub(super) async fn records(sql: &mut PgConnection) -> anyhow::Result<impl Stream<Item = anyhow::Result<Record>> + Send + '_> {
    sqlx::query(WORK_MEM).execute(&mut *sql).await?;
    let rows = sqlx::query(ALL).fetch(sql);
    Ok(rows.map(|row| row.and_then(|row| record(&row)).context("PostgreSQL does not tell its orders")))
}

/// One order as it is now.
pub(super) async fn one(sql: &mut PgConnection, id: Uuid) -> anyhow::Result<Option<Record>> {
    let row = sqlx::query(ONE).bind(id).fetch_one(sql).await.context("PostgreSQL does not answer")?;
    let record = record(&row)?;
    Ok((record.placed_at_ms.is_some() || !record.lines.is_empty()).then_some(record))
}

fn record(row: &PgRow) -> Result<Record, sqlx::Error> {
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    let (skus, quantities): (Vec<String>, Vec<i64>) = (row.try_get("skus")?, row.try_get("quantities")?);
    Ok(Record {
        id: row.try_get("id")?,
        placed_at_ms: row.try_get::<Option<i64>, _>("placed_at_ms")?.map(unsigned),
        lines: lines(skus.into_iter().zip(quantities.into_iter().map(unsigned))),
    })
}
