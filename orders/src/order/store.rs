//! Recording orders once, and reading them.

use orders_api::{Order, OrderLine, OrderStatus};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow, types::Json};
use storefront_types::{Currency, Money, OrderId, Page, ShopperId, Sku};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    checkout::Memo,
    database::{DatabaseError, within},
};

#[derive(Clone)]
pub(crate) struct OrderStore {
    pub(crate) sql: PgPool,
}

/// A recorded order with the fingerprint of the request that made it.
pub(crate) struct Recorded {
    pub(crate) order: Order,
    pub(crate) fingerprint: String,
}

/// The topic under which a placed order is published.
const ORDER_PLACED: &str = "orders.order-placed.v1";

impl OrderStore {
    /// Records an order with its items and its outbox row in one SQL transaction; a second time changes nothing.
    /// `request_id` shows in PostgreSQL's log as the application name.
    pub(crate) async fn record(&self, id: OrderId, memo: &Memo, request_id: &str) -> Result<(), DatabaseError> {
        within(async {
            let mut transaction = self.sql.begin().await?;
            sqlx::query("select set_config('application_name', $1, true)").bind(request_id).execute(&mut *transaction).await?;
            if insert_order(&mut transaction, id, memo).await? {
                insert_items(&mut transaction, id, memo).await?;
                let payload = Json(memo.order(id, OrderStatus::Placed));
                let outbox = sqlx::query("insert into outbox (topic, key, payload) values ($1, $2, $3)");
                outbox.bind(ORDER_PLACED).bind(id.to_string()).bind(payload).execute(&mut *transaction).await?;
            }
            transaction.commit().await
        })
        .await
    }

    /// One order of a shopper; somebody else's is not found.
    pub(crate) async fn find(&self, id: OrderId, shopper: ShopperId) -> Result<Option<Recorded>, DatabaseError> {
        let found = within(async {
            let order = sqlx::query("select * from shop_order where id = $1 and shopper_id = $2");
            let Some(row) = order.bind(id.uuid()).bind(shopper.uuid()).fetch_optional(&self.sql).await? else { return Ok(None) };
            let items = sqlx::query("select * from order_item where order_id = $1 order by position").bind(id.uuid());
            Ok(Some((row, items.fetch_all(&self.sql).await?)))
        });
        let Some((row, items)) = found.await? else { return Ok(None) };
        let fingerprint: Vec<u8> = row.try_get("fingerprint")?;
        let fingerprint = fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Recorded { order: order(&row, &items)?, fingerprint }))
    }

    /// A shopper's orders, newest first, after a cursor.
    pub(crate) async fn history(
        &self,
        shopper: ShopperId,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Page<Order>, DatabaseError> {
        let (before, id) = after.unwrap_or((OffsetDateTime::now_utc() + time::Duration::days(1), Uuid::max()));
        let (rows, items) = within(async {
            let page = sqlx::query(
                "select * from shop_order where shopper_id = $1 and (placed_at, id) < ($2, $3)
                 order by placed_at desc, id desc limit $4",
            );
            let page = page.bind(shopper.uuid()).bind(before).bind(id).bind(i64::from(limit) + 1);
            let rows = page.fetch_all(&self.sql).await?;
            let ids: Vec<Uuid> = rows.iter().filter_map(|row| row.try_get("id").ok()).collect();
            let items = sqlx::query("select * from order_item where order_id = any($1) order by order_id, position").bind(ids);
            Ok((rows, items.fetch_all(&self.sql).await?))
        })
        .await?;
        let mut orders = Vec::with_capacity(rows.len());
        for row in rows.iter().take(limit as usize) {
            let id: Uuid = row.try_get("id")?;
            let own: Vec<PgRow> = Vec::new();
            let mut found = order(row, &own)?;
            for item in &items {
                if item.try_get::<Uuid, _>("order_id")? == id {
                    found.lines.push(line(item, found.total.currency())?);
                }
            }
            orders.push(found);
        }
        let more = rows.len() > limit as usize;
        let next_cursor =
            orders.last().filter(|_| more).map(|last| format!("{}.{}", last.placed_at.unix_timestamp_nanos(), last.id));
        Ok(Page { items: orders, next_cursor })
    }
}

async fn insert_order(sql: &mut PgConnection, id: OrderId, memo: &Memo) -> Result<bool, sqlx::Error> {
    let total = memo.total().map_or(i64::MAX, Money::amount);
    let fingerprint: Vec<u8> = memo
        .fingerprint
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    let inserted = sqlx::query(
        "insert into shop_order (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (id) do nothing",
    )
    .bind(id.uuid())
    .bind(memo.shopper.uuid())
    .bind(memo.key.as_str())
    .bind(fingerprint)
    .bind(total)
    .bind(memo.currency.as_str())
    .bind(Json(&memo.address))
    .bind(memo.placed_at())
    .execute(sql)
    .await?;
    Ok(inserted.rows_affected() == 1)
}

async fn insert_items(sql: &mut PgConnection, id: OrderId, memo: &Memo) -> Result<(), sqlx::Error> {
    let skus: Vec<&str> = memo.lines.iter().map(|(sku, ..)| sku.as_str()).collect();
    let quantities: Vec<i64> = memo.lines.iter().map(|(_, quantity, _)| i64::from(*quantity)).collect();
    let amounts: Vec<i64> = memo.lines.iter().map(|(.., amount)| *amount).collect();
    sqlx::query(
        "insert into order_item (order_id, position, sku, quantity, unit_amount)
         select $1, position, sku, quantity, amount
         from unnest($2::text[], $3::bigint[], $4::bigint[]) with ordinality as line (sku, quantity, amount, position)",
    )
    .bind(id.uuid())
    .bind(skus)
    .bind(quantities)
    .bind(amounts)
    .execute(sql)
    .await?;
    Ok(())
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn order(row: &PgRow, items: &[PgRow]) -> Result<Order, sqlx::Error> {
    let currency: Currency = row.try_get::<String, _>("currency")?.parse().map_err(unreadable)?;
    Ok(Order {
        id: OrderId::new(row.try_get("id")?),
        status: OrderStatus::Placed,
        lines: items.iter().map(|item| line(item, currency)).collect::<Result<_, _>>()?,
        total: Money::new(row.try_get("total_amount")?, currency),
        delivery_address: row.try_get::<Json<_>, _>("delivery_address")?.0,
        placed_at: row.try_get("placed_at")?,
    })
}

fn line(item: &PgRow, currency: Currency) -> Result<OrderLine, sqlx::Error> {
    Ok(OrderLine {
        sku: Sku::parse(item.try_get("sku")?).map_err(unreadable)?,
        quantity: u32::try_from(item.try_get::<i64, _>("quantity")?).map_err(unreadable)?,
        unit_price: Money::new(item.try_get("unit_amount")?, currency),
    })
}
