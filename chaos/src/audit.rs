//! Reads both stores of a topology at rest.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use deploy_api::{ProcessKind, TlsFiles, Topology};
use inventory_api::{Consistency, InventoryClient, Reservation, ReservationState};
use sqlx::{Connection, PgConnection, Row};
use storefront_tls::{Tls, TlsPaths};
use storefront_types::{CallContext, Sku};
use uuid::Uuid;

use crate::check::{Books, SkuBook};

/// Entries of one page.
const PAGE: u32 = 200;

/// Longest wait for the inventory over all attempts of one call.
const DEADLINE: Duration = Duration::from_secs(15);

/// `target/deploy/<name>/topology.json` beside this program, or below the working directory.
pub fn topology_file(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from);
    target.join("deploy").join(name).join("topology.json")
}

/// A client of the topology's inventory, with the certificates that the topology names.
pub fn inventory(topology: &Topology) -> anyhow::Result<InventoryClient> {
    let files = topology.inventory_tls.clone();
    let tls = files.map(|TlsFiles { ca, cert, key }| Tls::open(TlsPaths { ca, cert, key })).transpose()?;
    Ok(InventoryClient::new(topology.http_of(ProcessKind::Inventory)).with_tls(tls.as_ref()))
}

/// The books of both stores. Orders that are accepted and not yet recorded are counted as such.
pub async fn read(topology: &Topology) -> anyhow::Result<Books> {
    read_with(inventory(topology)?, topology).await
}

/// The same with another client of the inventory.
pub async fn read_with(client: InventoryClient, topology: &Topology) -> anyhow::Result<Books> {
    let client = client.with_deadline(DEADLINE);
    let context = CallContext::background(Uuid::new_v4());
    let mut books = Books::default();
    let mut cursor = None;
    // A linearizable read first: what every node then shows locally may still lag, so each SKU below is read linearizably.
    loop {
        let page = client.stock_page(&context, PAGE, cursor.as_deref()).await.context("the inventory does not answer")?;
        for listed in &page.items {
            let sku: Sku = listed.sku.clone();
            let Some(stock) = client.stock(&context, &sku, Consistency::Linearizable).await? else { continue };
            let totals = stock.totals;
            let book = SkuBook {
                received: totals.received,
                adjusted: totals.adjusted,
                sold: totals.sold,
                on_hand: stock.on_hand(),
                reserved: stock.reserved(),
            };
            books.stock.insert(sku.to_string(), book);
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    books.held = units(&open(&client, &context, ReservationState::Reserved).await?);
    books.unrecorded = units(&open(&client, &context, ReservationState::Confirmed).await?);
    read_orders(topology, &mut books).await?;
    Ok(books)
}

async fn open(client: &InventoryClient, context: &CallContext, state: ReservationState) -> anyhow::Result<Vec<Reservation>> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = client.reservations(context, state, PAGE, cursor.as_deref()).await?;
        all.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

fn units(reservations: &[Reservation]) -> BTreeMap<String, u64> {
    let mut units = BTreeMap::new();
    for line in reservations.iter().flat_map(|reservation| &reservation.lines) {
        *units.entry(line.sku.to_string()).or_default() += line.quantity;
    }
    units
}

async fn read_orders(topology: &Topology, books: &mut Books) -> anyhow::Result<()> {
    let url = topology.databases.get("orders").context("the topology has no database of orders")?;
    let mut sql = PgConnection::connect(url).await.context("PostgreSQL does not answer")?;
    let orders: i64 = sqlx::query_scalar("select count(*) from shop_order").fetch_one(&mut sql).await?;
    books.orders = u64::try_from(orders)?;
    let rows = sqlx::query("select sku, sum(quantity)::bigint as units from order_item group by sku").fetch_all(&mut sql).await?;
    for row in rows {
        let units: i64 = row.try_get("units")?;
        books.ordered.insert(row.try_get("sku")?, u64::try_from(units)?);
    }
    Ok(())
}

/// Orders in PostgreSQL that have a SKU, with its units in them.
pub async fn orders_of(topology: &Topology, sku: &str) -> anyhow::Result<BTreeMap<Uuid, u64>> {
    let url = topology.databases.get("orders").context("the topology has no database of orders")?;
    let mut sql = PgConnection::connect(url).await.context("PostgreSQL does not answer")?;
    let rows = sqlx::query("select order_id, quantity from order_item where sku = $1").bind(sku).fetch_all(&mut sql).await?;
    let order = |row: &sqlx::postgres::PgRow| Ok((row.try_get("order_id")?, u64::try_from(row.try_get::<i64, _>("quantity")?)?));
    rows.iter().map(order).collect()
}
