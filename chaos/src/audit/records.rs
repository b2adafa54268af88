//! Every order of PostgreSQL as a stream, from one snapshot; and orders one by one.

use anyhow::Context;
use futures_util::{Stream, StreamExt, TryStreamExt};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use crate::check::{Record, lines, merge, runs};

const ORDERS: &str = "select id, (extract(epoch from placed_at) * 1000)::bigint from shop_order order by id";

const ITEMS: &str = "select order_id, sku, quantity from order_item order by order_id";

const BEGIN: &str = "begin isolation level repeatable read, read only";

/// The tables are read from front to back and sorted: in order of an index, each of two million items would be a read somewhere else. Of a
/// million orders the items' sort takes 190 MB; what is larger, PostgreSQL sorts on its disk.
const PLAN: &str = "set local work_mem = '256MB'; set local enable_indexscan = off; set local enable_indexonlyscan = off";

const ONE: &str = "
    select $1 as id, (select (extract(epoch from placed_at) * 1000)::bigint from shop_order where id = $1) as placed_at_ms,
           array(select sku from order_item where order_id = $1 order by position) as skus,
           array(select quantity from order_item where order_id = $1 order by position) as quantities";

/// Two sessions that see one moment of PostgreSQL, so that orders and items are sorted side by side.
pub(super) struct Snapshot {
    orders: PgConnection,
    items: PgConnection,
}

impl Snapshot {
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        let sessions = tokio::try_join!(PgConnection::connect(url), PgConnection::connect(url));
        let (mut orders, mut items) = sessions.context("PostgreSQL does not answer")?;
        orders.execute(BEGIN).await?;
        let moment: String = sqlx::query_scalar("select pg_export_snapshot()").fetch_one(&mut orders).await?;
        items.execute(BEGIN).await?;
        // The server's own name for it, of digits and dashes.
        items.execute(AssertSqlSafe(format!("set transaction snapshot '{moment}'"))).await?;
        for session in [&mut orders, &mut items] {
            session.execute(PLAN).await?;
        }
        Ok(Self { orders, items })
    }

    /// Orders with their items, also where either is without the other, in order of id. The server sorts before the first one comes.
    pub(super) fn records(&mut self) -> impl Stream<Item = anyhow::Result<Record>> + Send + '_ {
        let orders = sqlx::query_as::<_, (Uuid, i64)>(ORDERS).fetch(&mut self.orders);
        let items = sqlx::query_as::<_, (Uuid, String, i64)>(ITEMS).fetch(&mut self.items);
        let items = runs(items.map_ok(|(order, sku, units)| (order, (sku, units))));
        let pairs = merge(orders, items, |(id, _)| *id, |(id, _)| *id);
        pairs.map(|pair| pair.map(|(order, items)| placed(order, items)).context("PostgreSQL does not tell its orders"))
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// One of the two is there.
fn placed(order: Option<(Uuid, i64)>, items: Option<(Uuid, Vec<(String, i64)>)>) -> Record {
    let id = order.map(|(id, _)| id).or(items.as_ref().map(|(id, _)| *id)).unwrap_or_default();
    let items = items.map(|(_, items)| items).unwrap_or_default().into_iter();
    Record {
        id,
        placed_at_ms: order.map(|(_, at_ms)| unsigned(at_ms)),
        lines: lines(items.map(|(sku, units)| (sku, unsigned(units)))),
    }
}

/// One order as it is now.
pub(super) async fn one(sql: &mut PgConnection, id: Uuid) -> anyhow::Result<Option<Record>> {
    let row = sqlx::query(ONE).bind(id).fetch_one(sql).await.context("PostgreSQL does not answer")?;
    let record = record(&row)?;
    Ok((record.placed_at_ms.is_some() || !record.lines.is_empty()).then_some(record))
}

fn record(row: &PgRow) -> Result<Record, sqlx::Error> {
    let (skus, quantities): (Vec<String>, Vec<i64>) = (row.try_get("skus")?, row.try_get("quantities")?);
    Ok(Record {
        id: row.try_get("id")?,
        placed_at_ms: row.try_get::<Option<i64>, _>("placed_at_ms")?.map(unsigned),
        lines: lines(skus.into_iter().zip(quantities.into_iter().map(unsigned))),
    })
}
