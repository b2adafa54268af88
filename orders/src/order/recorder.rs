//! Writes accepted orders into PostgreSQL, many in one SQL commit.
//!
//! Owns: one statement for orders, items, outbox rows and the carts that were bought, so that they change together or not at all; that an order
//! which PostgreSQL refuses does not keep its neighbours out. Must not: decide when to try again.

use std::collections::HashSet;

use sqlx::PgPool;
use uuid::Uuid;

use super::batch::{Placed, columns};
use crate::{
    cart::MAX_BOUGHT,
    database::{DatabaseError, Gathered, within},
    outbox::ORDER_PLACED,
};

/// Orders of one SQL commit: 256 x about 2 KiB of columns are half a megabyte, and some milliseconds of PostgreSQL.
pub(super) const MOST: usize = 256;

/// Records every order of the batch, each once; a second time changes nothing. Tells for each whether its cart was emptied with it: one that
/// changed since, or that somebody is changing just now, was not. A batch that PostgreSQL refuses is halved until the order that it
/// refuses is alone: at most 2 x log2(256) = 16 more statements for one such order.
pub(super) async fn record(sql: &PgPool, batch: &[Placed]) -> Gathered<bool> {
    match within(insert(sql, batch)).await {
        Ok(emptied) => batch.iter().map(|placed| Ok(emptied.contains(&placed.id.uuid()))).collect(),
        Err(error) if error.is_away() || batch.len() == 1 => {
            let others = batch.iter().skip(1).map(|_| Err(DatabaseError::Away));
            std::iter::once(Err(error)).chain(others).collect()
        }
        Err(error) => {
            tracing::info!(%error, orders = batch.len(), "PostgreSQL refused one of these orders; they are tried in halves");
            let (left, right) = batch.split_at(batch.len() / 2);
            let mut done = Box::pin(record(sql, left)).await;
            done.extend(Box::pin(record(sql, right)).await);
            done
        }
    }
}

/// The statement takes a transaction id also when it inserts nothing: only then does its commit wait for a synchronous standby, and an order that a
/// crash left in this server alone is not taken for recorded before the standby has it.
///
/// Carts are locked only where nobody else has them, because others lock them in another order.
async fn insert(sql: &PgPool, batch: &[Placed]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let (orders, items) = columns(batch);
    let emptied = sqlx::query_scalar!(
        r#"with placed as (
             insert into shop_order
                 (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
             select id, shopper_id, idempotency_key, fingerprint, total_amount, currency, address::jsonb, placed_at
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[])
                 as line (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, address, placed_at)
             where pg_current_xact_id() is not null
             on conflict do nothing
             returning id, placed_at
         ), items as (
             insert into order_item (order_id, position, sku, quantity, unit_amount, placed_at)
             select placed.id, position, sku, quantity, unit_amount, placed.placed_at
             from unnest($9::uuid[], $10::integer[], $11::text[], $12::bigint[], $13::bigint[])
                 as line (order_id, position, sku, quantity, unit_amount)
             join placed on placed.id = line.order_id
         ), told as (
             insert into outbox (topic, key, payload)
             select $14, placed.id::text, payload::jsonb
             from unnest($1::uuid[], $15::text[]) as line (id, payload) join placed using (id)
         ), sold as (
             select cart.shopper_id, placed.id
             from unnest($1::uuid[], $2::uuid[], $16::bigint[]) as line (id, shopper_id, version)
                 join placed using (id)
                 join cart on cart.shopper_id = line.shopper_id and cart.version = line.version
             for update of cart skip locked
         )
         update cart set version = cart.version + 1, lines = '[]', stamp = gen_random_uuid(),
             bought = case when jsonb_array_length(bought) < $17 then bought else bought - 0 end || to_jsonb(sold.id),
             updated_at = now(), touched_on = (now() at time zone 'utc')::date
         from sold where cart.shopper_id = sold.shopper_id
         returning sold.id"#,
        &orders.ids,
        &orders.shoppers,
        &orders.keys,
        &orders.fingerprints,
        &orders.totals,
        &orders.currencies,
        &orders.addresses,
        &orders.placed,
        &items.orders,
        &items.positions,
        &items.skus,
        &items.quantities,
        &items.amounts,
        ORDER_PLACED,
        &orders.payloads,
        &orders.carts as &[Option<i64>],
        MAX_BOUGHT,
    );
    Ok(emptied.fetch_all(sql).await?.into_iter().collect())
}
