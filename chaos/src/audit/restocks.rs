//! Units of cancelled and returned orders that come back into stock: none is forgotten, and none comes back twice.

use anyhow::Context;
use sqlx::{PgConnection, Row};

use crate::check::Difference;

/// Differences of one kind that are read.
const MOST: i64 = 1_000;

/// What should have come back by now.
const PENDING: &str = "
    select order_id, coalesce(body->>'sku', '') as sku, coalesce((body->>'quantity')::bigint, 0) as units,
           (extract(epoch from now() - next_attempt_at) * 1000)::bigint as waits_ms
    from order_effect
    where kind = 'restock' and done_at is null and next_attempt_at < now() - $1 * interval '1 millisecond'
    order by order_id, id limit $2";

/// What came back beyond what was ordered.
const TOO_MUCH: &str = "
    select back.order_id, back.sku, back.units as restocked, coalesce(bought.units, 0) as ordered
    from (select order_id, body->>'sku' as sku, sum((body->>'quantity')::bigint)::bigint as units
          from order_effect where kind = 'restock' group by 1, 2) back
    left join lateral (select sum(quantity)::bigint as units from order_item item
                       where item.order_id = back.order_id and item.sku = back.sku) bought on true
    where back.units > coalesce(bought.units, 0)
    order by 1, 2 limit $1";

/// Nothing where PostgreSQL has no such effects.
pub(super) async fn differences(sql: &mut PgConnection, grace_ms: u64) -> anyhow::Result<Vec<Difference>> {
    let known: bool = sqlx::query_scalar("select to_regclass('order_effect') is not null").fetch_one(&mut *sql).await?;
    if !known {
        return Ok(Vec::new());
    }
    let unsigned = |number: i64| u64::try_from(number).unwrap_or_default();
    let mut found = Vec::new();
    let grace_ms = i64::try_from(grace_ms).unwrap_or(i64::MAX);
    for row in sqlx::query(PENDING).bind(grace_ms).bind(MOST).fetch_all(&mut *sql).await.context("effects of orders")? {
        found.push(Difference::RestockPending {
            order: row.try_get("order_id")?,
            sku: row.try_get("sku")?,
            units: unsigned(row.try_get("units")?),
            waits_ms: unsigned(row.try_get("waits_ms")?),
        });
    }
    for row in sqlx::query(TOO_MUCH).bind(MOST).fetch_all(&mut *sql).await.context("effects of orders")? {
        found.push(Difference::RestockedTooMuch {
            order: row.try_get("order_id")?,
            sku: row.try_get("sku")?,
            ordered: unsigned(row.try_get("ordered")?),
            restocked: unsigned(row.try_get("restocked")?),
        });
    }
    Ok(found)
}
