//! Reads both stores of a topology and compares them, order by order. It may run while orders are taken: what looks wrong is looked at again.

mod promises;
mod records;
mod restocks;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use anyhow::Context;
use deploy_api::{ProcessKind, TlsFiles, Topology};
use futures_util::{TryStreamExt, future::ready};
use indicatif::ProgressBar;
use inventory_api::{Consistency, InventoryClient};
use sqlx::{Connection, PgConnection, Row};
use storefront_tls::{Tls, TlsPaths};
use storefront_types::{CallContext, MAX_PAGE_LIMIT};
use uuid::Uuid;

use crate::check::{Books, Difference, Promise, Record, SkuBook, compare, merge};
use crate::workload::OWN_SKUS;

/// Longest wait for the inventory over all attempts of one call.
const DEADLINE: Duration = Duration::from_secs(15);

/// How long an accepted order may wait for its record, and a hold for its end. The reconciler looks every second.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// Orders that look wrong and are looked at again, and differences told one by one; of what is beyond, the number is told.
const MOST: usize = 10_000;

/// Orders between two steps of the progress bar.
const STEP: u64 = 1_000;

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

/// The books of both stores.
pub async fn read(topology: &Topology) -> anyhow::Result<Books> {
    read_with(inventory(topology)?, topology, DEFAULT_GRACE, &ProgressBar::hidden()).await
}

/// The same with another client of the inventory, for people who watch.
pub async fn read_with(
    client: InventoryClient,
    topology: &Topology,
    grace: Duration,
    progress: &ProgressBar,
) -> anyhow::Result<Books> {
    let url = topology.databases.get("orders").context("the topology has no database of orders")?;
    let client = client.with_deadline(DEADLINE);
    let context = CallContext::background(Uuid::new_v4());
    let mut sql = PgConnection::connect(url).await.context("PostgreSQL does not answer")?;
    let mut audit = Audit {
        clock_ms: promises::clock_ms(&client, &context).await?,
        grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
        books: Books::default(),
        doubtful: Vec::new(),
    };
    let before = stock(&client, &context).await?;
    progress.set_message("counting orders");
    let orders: i64 = sqlx::query_scalar("select count(*) from shop_order").fetch_one(&mut sql).await?;
    progress.set_length(u64::try_from(orders)?);
    audit.compare_all(&client, &context, url, progress).await?;
    audit.look_again(&client, &context, &mut sql).await?;
    let restocks = restocks::differences(&mut sql, audit.grace_ms).await?;
    let mut books = audit.books;
    books.differences.extend(restocks);
    for (sku, (version, book)) in stock(&client, &context).await? {
        if before.get(&sku).is_none_or(|(seen, _)| *seen != version) {
            books.moved.insert(sku.clone());
        }
        books.stock.insert(sku, book);
    }
    Ok(books)
}

/// Every SKU with its version, linearizably.
async fn stock(client: &InventoryClient, context: &CallContext) -> anyhow::Result<BTreeMap<String, (u64, SkuBook)>> {
    let (mut all, mut cursor) = (BTreeMap::new(), None);
    loop {
        let page = client.stock_page_of(context, MAX_PAGE_LIMIT, cursor.as_deref(), Consistency::Linearizable);
        let page = page.await.context("the inventory does not answer")?;
        for stock in page.items.into_iter().filter(|stock| !is_own(stock.sku.as_str())) {
            let totals = stock.totals;
            let book = SkuBook {
                received: totals.received,
                adjusted: totals.adjusted,
                sold: totals.sold,
                on_hand: stock.on_hand(),
                reserved: stock.reserved(),
            };
            all.insert(stock.sku.to_string(), (stock.version, book));
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// Whether only clients of the workload trade in it: there are no orders of it, and its history is its proof.
fn is_own(sku: &str) -> bool {
    sku.starts_with(OWN_SKUS)
}

/// An audit under way.
struct Audit {
    clock_ms: u64,
    grace_ms: u64,
    books: Books,
    /// Both stores are read at different moments, so what looks wrong may have been on its way.
    doubtful: Vec<(Option<Promise>, Option<Record>)>,
}

impl Audit {
    async fn compare_all(
        &mut self,
        client: &InventoryClient,
        context: &CallContext,
        url: &str,
        progress: &ProgressBar,
    ) -> anyhow::Result<()> {
        progress.set_message("comparing orders");
        let ours = |promise: &Promise| promise.lines.iter().all(|(sku, _)| is_own(sku));
        let promises = promises::promises(client.clone(), context.clone()).try_filter(move |promise| ready(!ours(promise)));
        let mut snapshot = records::Snapshot::open(url).await?;
        let mut pairs = pin!(merge(promises, snapshot.records(), |promise| promise.id, |record| record.id));
        while let Some((promise, record)) = pairs.try_next().await? {
            let books = &mut self.books;
            books.add(promise.as_ref(), record.as_ref());
            books.reservations += u64::from(promise.is_some());
            books.orders += u64::from(record.as_ref().is_some_and(|record| record.placed_at_ms.is_some()));
            if books.orders.is_multiple_of(STEP) {
                progress.set_position(books.orders);
            }
            if compare(promise.as_ref(), record.as_ref(), self.clock_ms, self.grace_ms).is_none() {
                continue;
            }
            match self.doubtful.len() < MOST {
                true => self.doubtful.push((promise, record)),
                false => books.more += 1,
            }
        }
        Ok(())
    }

    /// The inventory first: what it then calls acknowledged, PostgreSQL has had since before.
    async fn look_again(
        &mut self,
        client: &InventoryClient,
        context: &CallContext,
        sql: &mut PgConnection,
    ) -> anyhow::Result<()> {
        for (seen_promise, seen_record) in std::mem::take(&mut self.doubtful) {
            let seen = seen_promise.as_ref().map(|promise| promise.id).or(seen_record.as_ref().map(|record| record.id));
            let Some(id) = seen else { continue };
            let promise = promises::promise(client, context, id).await?;
            let record = records::one(sql, id).await?;
            self.books.take_back(seen_promise.as_ref(), seen_record.as_ref());
            self.books.add(promise.as_ref(), record.as_ref());
            let found: Option<Difference> = compare(promise.as_ref(), record.as_ref(), self.clock_ms, self.grace_ms);
            self.books.differences.extend(found);
        }
        Ok(())
    }
}

/// Orders in PostgreSQL that have a SKU, with its units in them.
pub async fn orders_of(topology: &Topology, sku: &str) -> anyhow::Result<BTreeMap<Uuid, u64>> {
    let url = topology.databases.get("orders").context("the topology has no database of orders")?;
    let mut sql = PgConnection::connect(url).await.context("PostgreSQL does not answer")?;
    let rows = sqlx::query("select order_id, quantity from order_item where sku = $1").bind(sku).fetch_all(&mut sql).await?;
    let order = |row: &sqlx::postgres::PgRow| Ok((row.try_get("order_id")?, u64::try_from(row.try_get::<i64, _>("quantity")?)?));
    rows.iter().map(order).collect()
}
