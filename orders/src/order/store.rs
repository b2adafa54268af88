//! Recording orders once, and reading them.

use std::{collections::HashMap, sync::Arc};

use orders_api::{Address, Order};
use sqlx::types::Json;
use storefront_types::{OrderId, Page, ShopperId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    batch::Placed,
    recorder,
    rows::{self, ItemRow, OrderRow},
};
use crate::{
    checkout::Memo,
    database::{Connections, DatabaseError, Gather, Gathered, within},
};

/// Orders looked up by one statement.
const MOST_LOOKED_UP: usize = 256;

/// Statements under way at once, of each kind. With one, what comes meanwhile goes together in the next; a second one would halve the batches.
const LANES: usize = 1;

/// Cheap to clone.
#[derive(Clone)]
pub(crate) struct OrderStore {
    sql: Connections,
    recorded: Gather<Placed, bool>,
    looked_up: Gather<(OrderId, ShopperId), Option<Arc<Recorded>>>,
}

/// A recorded order with the fingerprint of the request that made it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) order: Order,
    pub(crate) fingerprint: String,
}

impl OrderStore {
    /// Concurrent calls of its clones share statements.
    pub(crate) fn new(sql: Connections) -> Self {
        let (recording, looking_up) = (sql.clone(), sql.clone());
        let record = move |batch: Arc<Vec<Placed>>| {
            let sql = recording.clone();
            async move { recorder::record(&sql, &batch).await }
        };
        let look_up = move |batch: Arc<Vec<(OrderId, ShopperId)>>| {
            let sql = looking_up.clone();
            async move { find_all(&sql, &batch).await }
        };
        Self {
            sql,
            recorded: Gather::start("record", recorder::MOST, LANES, record),
            looked_up: Gather::start("look-up", MOST_LOOKED_UP, LANES, look_up),
        }
    }

    /// Records an order with its items, its payment and its outbox row, and empties the cart that it was made of; all or nothing, and a second time
    /// changes nothing but the reference of a payment that had none. `false`: the cart was not emptied now, because it is another one by now or is
    /// being changed, or was emptied before.
    pub(crate) async fn record(&self, id: OrderId, memo: &Memo, reference: Option<&str>) -> Result<bool, DatabaseError> {
        self.recorded.ask(Placed { id, memo: memo.clone(), reference: reference.map(str::to_owned) }).await
    }

    /// One order of a shopper; somebody else's is not found.
    pub(crate) async fn find(&self, id: OrderId, shopper: ShopperId) -> Result<Option<Recorded>, DatabaseError> {
        let found = self.looked_up.ask((id, shopper)).await?;
        Ok(found.map(Arc::unwrap_or_clone))
    }

    /// A shopper's orders, newest first, after a cursor.
    pub(crate) async fn history(
        &self,
        shopper: ShopperId,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Page<Order>, DatabaseError> {
        let (before, id) = after.unwrap_or((OffsetDateTime::now_utc() + time::Duration::days(1), Uuid::max()));
        let limit = limit as usize;
        let (mut rows, items) = within(async {
            // The first condition is the second's own, for the choice of partitions.
            let rows = sqlx::query_as!(
                OrderRow,
                r#"select id, shopper_id, fingerprint, total_amount, currency, delivery_address as "delivery_address: Json<Address>", placed_at, status
                   from shop_order
                   where shopper_id = $1 and placed_at <= $2 and (placed_at, id) < ($2, $3)
                   order by placed_at desc, id desc limit $4"#,
                shopper.uuid(),
                before,
                id,
                i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1),
            );
            let rows = rows.fetch_all(&self.sql).await?;
            let items = items(&self.sql, rows.iter().take(limit)).await?;
            Ok((rows, items))
        })
        .await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let orders = rows.iter().map(|row| rows::order(row, items.get(&row.id).into_iter().flatten()));
        let orders: Vec<Order> = orders.collect::<Result<_, _>>()?;
        let next_cursor =
            orders.last().filter(|_| more).map(|last| format!("{}.{}", last.placed_at.unix_timestamp_nanos(), last.id));
        Ok(Page { items: orders, next_cursor })
    }
}

async fn find_all(sql: &Connections, asked: &[(OrderId, ShopperId)]) -> Gathered<Option<Arc<Recorded>>> {
    let ids: Vec<Uuid> = asked.iter().map(|(id, _)| id.uuid()).collect();
    let found = within(async {
        // Every month's index is asked: the id alone does not tell the time.
        let rows = sqlx::query_as!(
            OrderRow,
            r#"select id, shopper_id, fingerprint, total_amount, currency, delivery_address as "delivery_address: Json<Address>", placed_at, status
               from shop_order where id = any($1)"#,
            &ids,
        );
        let rows = rows.fetch_all(sql).await?;
        let items = items(sql, rows.iter()).await?;
        let recorded = rows.iter().map(|row| {
            let fingerprint = row.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
            let order = rows::order(row, items.get(&row.id).into_iter().flatten())?;
            Ok(((row.id, row.shopper_id), Arc::new(Recorded { order, fingerprint })))
        });
        recorded.collect::<Result<HashMap<_, _>, sqlx::Error>>()
    });
    match found.await {
        Ok(found) => asked.iter().map(|(id, shopper)| Ok(found.get(&(id.uuid(), shopper.uuid())).cloned())).collect(),
        Err(error) => {
            let others = asked.iter().skip(1).map(|_| Err(DatabaseError::Away));
            std::iter::once(Err(error)).chain(others).collect()
        }
    }
}

/// The items of some orders, by order, in the order of their positions.
async fn items(
    sql: &Connections,
    orders: impl Iterator<Item = &OrderRow> + Clone,
) -> Result<HashMap<Uuid, Vec<ItemRow>>, sqlx::Error> {
    let times = orders.clone().map(|order| order.placed_at);
    let (Some(first), Some(last)) = (times.clone().min(), times.max()) else { return Ok(HashMap::new()) };
    let ids: Vec<Uuid> = orders.map(|order| order.id).collect();
    // The times choose the partitions.
    let found = sqlx::query_as!(
        ItemRow,
        "select order_id, sku, quantity, unit_amount from order_item
         where order_id = any($1) and placed_at between $2 and $3 order by order_id, position",
        &ids,
        first,
        last,
    );
    let mut by_order: HashMap<Uuid, Vec<ItemRow>> = HashMap::new();
    for item in found.fetch_all(sql).await? {
        by_order.entry(item.order_id).or_default().push(item);
    }
    Ok(by_order)
}
