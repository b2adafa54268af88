//! Writes accepted orders into PostgreSQL, many in one SQL commit.
//!
//! Owns: one statement for orders, items, payments, outbox rows and the carts that were bought, so that they change together or not at all: an order
//! that can be called off has its payment beside it. That an order which PostgreSQL refuses does not keep its neighbours out. Must not: decide when
//! to try again.

use std::collections::HashSet;

use uuid::Uuid;

use super::batch::{Columns, Placed, columns};
use crate::{
    cart::MAX_BOUGHT,
    database::{Connections, DatabaseError, Gathered, within},
    outbox::ORDER_PLACED,
    payment::FIRST_LOOK,
};

/// Orders of one SQL commit: 256 x about 2 KiB of columns are half a megabyte, and some milliseconds of PostgreSQL.
pub(super) const MOST: usize = 256;

/// Records every order of the batch, each once; a second time changes nothing. Tells for each whether its cart was emptied with it: one that
/// changed since, or that somebody is changing just now, was not. A batch that PostgreSQL refuses is halved until the order that it
/// refuses is alone: at most 2 x log2(256) = 16 more statements for one such order. One that cannot even be put into a statement is as refused.
pub(super) async fn record(sql: &Connections, batch: &[Placed]) -> Gathered<bool> {
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

/// The statement writes to the log also when it inserts nothing: only a commit that wrote something waits for a synchronous standby (a transaction
/// id alone is not enough), and an order that a crash left in this server alone is not taken for recorded before the standby has it.
///
/// Carts are locked only where nobody else has them, because others lock them in another order.
async fn insert(sql: &Connections, batch: &[Placed]) -> Result<HashSet<Uuid>, sqlx::Error> {
    let Columns { orders, items, payments } = columns(batch)?;
    let emptied = sqlx::query_scalar!(
        r#"with placed as (
             insert into shop_order
                 (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, delivery_address, placed_at)
             select id, shopper_id, idempotency_key, fingerprint, total_amount, currency, address::jsonb, placed_at
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[])
                 as line (id, shopper_id, idempotency_key, fingerprint, total_amount, currency, address, placed_at)
             where (select pg_logical_emit_message(true, 'orders', 'recorded')) is not null
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
         ), payments as (
             insert into payment (order_id, provider, reference, state, amount, currency, due_at)
             select order_id, provider, reference, 'authorised', amount, currency, now() + make_interval(secs => $23)
             from unnest($18::uuid[], $19::text[], $20::text[], $21::bigint[], $22::text[])
                 as line (order_id, provider, reference, amount, currency)
             on conflict (order_id) do update set reference = excluded.reference
             where payment.reference is null and excluded.reference is not null
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
        &payments.orders,
        &payments.providers,
        &payments.references as &[Option<String>],
        &payments.amounts,
        &payments.currencies,
        FIRST_LOOK.as_secs_f64(),
    );
    Ok(emptied.fetch_all(sql).await?.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use sqlx::{AssertSqlSafe, Connection, PgConnection};
    use uuid::Uuid;

    use super::{super::batch::tests::placed, *};
    use crate::database;

    async fn fresh() -> Connections {
        let server = tokio::task::spawn_blocking(backing_servers::postgres_url).await.unwrap();
        let mut sql = PgConnection::connect(&server).await.unwrap();
        let name = format!("recorder_{}", Uuid::new_v4().simple());
        sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut sql).await.unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        database::migrate(&url).await.unwrap();
        database::pool(&url).unwrap()
    }

    /// How many orders there are, with all of their items and their event.
    async fn whole(sql: &Connections) -> i64 {
        let whole = "select count(*) from shop_order where (select count(*) from order_item where order_id = id) = 2
                     and exists (select from outbox where key = shop_order.id::text)";
        sqlx::query_scalar(whole).fetch_one(sql).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn orders_that_cannot_be_recorded_are_told_and_keep_none_of_their_neighbours_out() {
        let sql = fresh().await;
        let mut batch: Vec<Placed> = (0..MOST).map(|nth| placed(nth as u128, "k")).collect();
        // A line that the table refuses, a text that no jsonb takes, a total that no column holds.
        batch[3].memo.lines[1].1 = 0;
        batch[100].memo.address.name = "a\0b".to_owned();
        batch[255].memo.lines[0].2 = i64::MAX;
        let done = record(&sql, &batch).await;
        let refused: Vec<usize> = (0..MOST).filter(|nth| done[*nth].is_err()).collect();
        assert_eq!(refused, [3, 100, 255]);
        for error in done.into_iter().filter_map(Result::err) {
            assert!(!error.is_away(), "nobody tries again what will always be refused: {error}");
        }
        assert_eq!(whole(&sql).await, 253);
        // Mended, they are recorded; the others stay as they are.
        let mended: Vec<Placed> = (0..MOST).map(|nth| placed(nth as u128, "k")).collect();
        assert!(record(&sql, &mended).await.iter().all(Result::is_ok));
        assert_eq!(whole(&sql).await, 256);
    }
}
