//! Carts in PostgreSQL, many in one statement.
//!
//! Owns: that a cart is changed only by who knows its last version, and that Redis then has a copy. Must not: know what is done while PostgreSQL
//! is away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use sqlx::types::Json;
use storefront_types::{OrderId, ShopperId};
use uuid::Uuid;

use super::{Stored, StoredLine, region::RegionStore};
use crate::database::{Connections, DatabaseError, Gather, Gathered, within};

/// Carts of one SQL commit: 256 x at most 8 KiB are 2 MiB; typically 50 KiB.
const MOST: usize = 256;

/// With one statement under way, what comes meanwhile goes together in the next.
const LANES: usize = 1;

/// A cart as it is recorded.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) cart: Stored,
    /// The write that made it.
    pub(super) stamp: Option<Uuid>,
    /// The cart that was last written behind into it, by its stamp, and as it was then.
    pub(super) behind: Option<(Uuid, Stored)>,
}

/// A new version of a cart that was at version `was`; 0 for one that was not there.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) shopper: ShopperId,
    pub(super) was: i64,
    pub(super) cart: Stored,
    pub(super) stamp: Uuid,
    /// It is written behind, and this is what it was kept as.
    pub(super) taken: Option<Stored>,
}

/// Cheap to clone; concurrent writes of clones share statements.
#[derive(Clone)]
pub(super) struct Record {
    sql: Connections,
    written: Gather<Write, bool>,
    looked: Gather<ShopperId, Stored>,
}

impl Record {
    pub(super) fn new(sql: Connections, region: RegionStore) -> Self {
        let writing = sql.clone();
        let write = move |writes: Arc<Vec<Write>>| {
            let (sql, region) = (writing.clone(), region.clone());
            async move {
                let written = write_each(&sql, &writes).await;
                let done = writes.iter().zip(&written).filter(|(_, written)| matches!(written, Ok(true)));
                let copies: Vec<_> = done.map(|(write, _)| (write.shopper, &write.cart)).collect();
                if !copies.is_empty() {
                    region.copy(&copies).await;
                }
                written
            }
        };
        let reading = sql.clone();
        let look = move |shoppers: Arc<Vec<ShopperId>>| {
            let sql = reading.clone();
            async move { look_each(&sql, &shoppers).await }
        };
        let (written, looked) =
            (Gather::start("cart-write", MOST, LANES, write), Gather::start("cart-record", MOST, LANES, look));
        Self { sql, written, looked }
    }

    /// Those that are there; a cart that is not there is empty, at version 0.
    pub(super) async fn read(&self, shoppers: &[ShopperId]) -> Result<BTreeMap<ShopperId, Row>, DatabaseError> {
        within(read(&self.sql, shoppers)).await
    }

    /// The same for one; concurrent looks share statements.
    pub(super) async fn look(&self, shopper: ShopperId) -> Result<Stored, DatabaseError> {
        self.looked.ask(shopper).await
    }

    /// `false`: the cart has another version by now.
    pub(super) async fn write(&self, write: Write) -> Result<bool, DatabaseError> {
        self.written.ask(write).await
    }
}

/// The first caller hears what was wrong.
fn failed<T>(error: DatabaseError, callers: usize) -> Gathered<T> {
    let others = (1..callers).map(|_| Err(DatabaseError::Away));
    std::iter::once(Err(error)).chain(others).collect()
}

async fn read(sql: &Connections, shoppers: &[ShopperId]) -> Result<BTreeMap<ShopperId, Row>, sqlx::Error> {
    let ids: Vec<Uuid> = shoppers.iter().map(|shopper| shopper.uuid()).collect();
    let found = sqlx::query!(
        r#"select shopper_id, version, lines as "lines: Json<Vec<StoredLine>>", stamp, behind, taken as "taken: Json<Stored>",
               bought as "bought: Json<Vec<OrderId>>"
           from cart where shopper_id = any($1)"#,
        &ids,
    );
    let rows = found.fetch_all(sql).await?.into_iter().map(|row| {
        let cart = Stored { version: row.version, lines: row.lines.0, bought: row.bought.0 };
        let behind = row.behind.zip(row.taken.map(|taken| taken.0));
        (ShopperId::new(row.shopper_id), Row { cart, stamp: row.stamp, behind })
    });
    Ok(rows.collect())
}

async fn look_each(sql: &Connections, shoppers: &[ShopperId]) -> Gathered<Stored> {
    match within(read(sql, shoppers)).await {
        // Asked twice in one batch, it is told twice.
        Ok(rows) => shoppers.iter().map(|shopper| Ok(rows.get(shopper).cloned().unwrap_or_default().cart)).collect(),
        Err(error) => failed(error, shoppers.len()),
    }
}

/// Of two writes of one cart only the first can be right, so only it is tried.
async fn write_each(sql: &Connections, writes: &[Write]) -> Gathered<bool> {
    let mut first: BTreeMap<ShopperId, (usize, &Write)> = BTreeMap::new();
    for (nth, write) in writes.iter().enumerate() {
        first.entry(write.shopper).or_insert((nth, write));
    }
    let ordered: Vec<&Write> = first.values().map(|(_, write)| *write).collect();
    match within(write(sql, &ordered)).await {
        Ok(written) => {
            let is_first = |nth: usize, shopper: &ShopperId| first.get(shopper).is_some_and(|(first, _)| *first == nth);
            let done = |(nth, write): (usize, &Write)| is_first(nth, &write.shopper) && written.contains(&write.shopper);
            writes.iter().enumerate().map(|each| Ok(done(each))).collect()
        }
        Err(error) => failed(error, writes.len()),
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

async fn write(sql: &Connections, writes: &[&Write]) -> Result<BTreeSet<ShopperId>, sqlx::Error> {
    let ids: Vec<Uuid> = writes.iter().map(|write| write.shopper.uuid()).collect();
    let was: Vec<i64> = writes.iter().map(|write| write.was).collect();
    let versions: Vec<i64> = writes.iter().map(|write| write.cart.version).collect();
    let lines: Vec<String> = writes.iter().map(|write| json(&write.cart.lines)).collect();
    let stamps: Vec<Uuid> = writes.iter().map(|write| write.stamp).collect();
    let taken: Vec<Option<String>> = writes.iter().map(|write| write.taken.as_ref().map(json)).collect();
    let bought: Vec<String> = writes.iter().map(|write| json(&write.cart.bought)).collect();
    let written = sqlx::query_scalar!(
        r#"with line as (
               select id, was, version, lines::jsonb, stamp, taken::jsonb, bought::jsonb
               from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::uuid[], $6::text[], $7::text[])
                   as line (id, was, version, lines, stamp, taken, bought)
           ), changed as (
               update cart set version = line.version, lines = line.lines, stamp = line.stamp, bought = line.bought,
                   behind = case when line.taken is null then cart.behind else line.stamp end,
                   taken = coalesce(line.taken, cart.taken),
                   updated_at = now(), touched_on = (now() at time zone 'utc')::date
               from line where cart.shopper_id = line.id and cart.version = line.was
               returning cart.shopper_id
           ), begun as (
               insert into cart (shopper_id, version, lines, stamp, behind, taken, bought)
               select id, version, lines, stamp, case when taken is not null then stamp end, taken, bought
               from line where was = 0
               on conflict do nothing
               returning shopper_id
           )
           select shopper_id as "shopper_id!" from changed union all select shopper_id from begun"#,
        &ids,
        &was,
        &versions,
        &lines,
        &stamps,
        &taken as &[Option<String>],
        &bought,
    );
    Ok(written.fetch_all(sql).await?.into_iter().map(ShopperId::new).collect())
}
