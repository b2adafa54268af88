//! After the run: every id and every order is looked up, in both stores, and written behind what was recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context;
use deploy_api::Topology;
use futures_util::{StreamExt, TryStreamExt, stream};
use inventory_api::{ChangeKind, InventoryClient, MAX_BATCH_COMMANDS, Reservation, ReservationState};
use sqlx::{Connection, PgConnection, Row};
use storefront_types::{CallContext, MAX_PAGE_LIMIT, ReservationId, Sku};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    Meter,
    crew::{Answer, Ask, Crew},
    deal::read,
};
use crate::history::{Found, Level, Line, Op, Operation, Out, ShopLine, Standing, Writer};

/// Look-ups at once: what one node answers without a queue.
const AT_ONCE: usize = 16;

/// How long holds may take to end by themselves and orders to be recorded: the reconciler looks every second.
const SETTLING: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);

/// Movements of a SKU that are read back.
const MOVEMENTS: u64 = 100_000;

fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

async fn found(client: &InventoryClient, id: Uuid) -> anyhow::Result<Option<Reservation>> {
    client.reservation(&context(), ReservationId::new(id)).await.context("the inventory does not answer the audit")
}

/// Asks until no hold is open any more, or it takes too long.
async fn settled(client: &InventoryClient, id: Uuid, until: Instant) -> anyhow::Result<Option<Reservation>> {
    loop {
        let found = found(client, id).await?;
        if found.as_ref().is_none_or(|found| found.state != ReservationState::Reserved) || Instant::now() > until {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A `status` for each id that was ever named, then a read of each SKU.
pub(super) async fn inventory(crew: &Crew, meter: &Meter, history: &[Operation]) -> anyhow::Result<()> {
    let named = history.iter().filter(|line| matches!(line.op, Op::Reserve | Op::Purchase));
    let ids: BTreeSet<(String, Uuid)> = named.filter_map(|line| Some((line.sku.clone(), line.id.parse().ok()?))).collect();
    let until = Instant::now() + SETTLING;
    let sold: Vec<Option<ReservationId>> = stream::iter(ids)
        .map(|(sku, id)| async move {
            let (call, found) = (meter.now(), settled(&crew.client, id, until).await?);
            let sku = Sku::parse(&sku)?;
            let qty =
                found.as_ref().and_then(|found| found.lines.iter().find(|line| line.sku == sku)).map_or(0, |line| line.quantity);
            let answer = status(&sku, qty, found.as_ref());
            let ask = Ask { client: 0, op: Op::Status, sku: &sku, id: id.to_string(), qty };
            crew.record(meter, ask, call, answer).await;
            anyhow::Ok(found.filter(|found| found.state == ReservationState::Confirmed).map(|found| found.id))
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    for sku in &crew.skus {
        let (call, answer) = (meter.now(), read(&crew.client, sku).await);
        crew.record(meter, Ask { client: 0, op: Op::Read, sku, id: String::new(), qty: 0 }, call, answer).await;
    }
    // Nobody else waits for them; acknowledged, they are forgotten in time.
    let sold: Vec<ReservationId> = sold.into_iter().flatten().collect();
    for ids in sold.chunks(MAX_BATCH_COMMANDS) {
        crew.client.acknowledge(&context(), ids.to_vec()).await.context("the inventory does not take acknowledgements")?;
    }
    Ok(())
}

fn status(sku: &Sku, qty: u64, found: Option<&Reservation>) -> Answer {
    let Some(found) = found else { return Answer { out: Out::NotFound, value: None, ver: None } };
    let moved = |kind| !matches!(kind, ChangeKind::Extended | ChangeKind::Acknowledged);
    let last = found.changes.iter().rev().find(|change| moved(change.change));
    let ver = last.and_then(|change| change.versions.get(sku)).copied();
    match found.state {
        ReservationState::Reserved => Answer { out: Out::Ok, value: None, ver },
        ReservationState::Confirmed | ReservationState::Acknowledged => Answer { out: Out::Ok, value: Some(qty), ver },
        ReservationState::Released => Answer { out: Out::Ok, value: Some(0), ver },
        ReservationState::Expired => Answer { out: Out::Expired, value: Some(0), ver },
    }
}

/// Every order that somebody was told of, in both stores, and the ledger of every SKU that somebody looked at.
pub(super) async fn shop(
    topology: &Topology,
    client: &InventoryClient,
    lines: &[ShopLine],
    began_at: OffsetDateTime,
    writer: &Writer<ShopLine>,
) -> anyhow::Result<()> {
    let (mut orders, mut skus) = (BTreeSet::new(), BTreeSet::new());
    for line in lines {
        match line {
            ShopLine::Checkout(checkout) => orders.extend(checkout.order),
            ShopLine::Look(look) => {
                skus.insert(look.sku.clone());
            }
            ShopLine::Found(_) | ShopLine::Level(_) => {}
        }
    }
    let (recorded, times) = recorded(topology, &orders).await?;
    let found: Vec<Found> = stream::iter(&orders)
        .map(|order| async {
            let reservation = found(client, *order).await?;
            let recorded = recorded.get(order).cloned().unwrap_or_default();
            let at_ns = times.get(order).map(|at_us| i128::from(*at_us) * 1_000 - began_at.unix_timestamp_nanos());
            let recorded_at = at_ns.map(|at_ns| u64::try_from(at_ns).unwrap_or_default());
            anyhow::Ok(Found { recorded_at, ..of_order(*order, reservation, recorded) })
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    for found in found {
        writer.write(ShopLine::Found(found)).await;
    }
    for sku in skus {
        levels(client, &Sku::parse(&sku)?, began_at, writer).await?;
    }
    Ok(())
}

fn of_order(order: Uuid, reservation: Option<Reservation>, recorded: Vec<Line>) -> Found {
    let inventory = match reservation.as_ref().map(|found| found.state) {
        None => Standing::Never,
        Some(ReservationState::Reserved) => Standing::Held,
        Some(ReservationState::Confirmed | ReservationState::Acknowledged) => Standing::Sold,
        Some(ReservationState::Released) => Standing::Released,
        Some(ReservationState::Expired) => Standing::Expired,
    };
    let lines = reservation.map(|found| found.lines).unwrap_or_default();
    let mut promised: Vec<Line> = lines.into_iter().map(|line| Line { sku: line.sku.to_string(), qty: line.quantity }).collect();
    promised.sort();
    Found { order, inventory, promised, recorded, recorded_at: None }
}

/// What PostgreSQL has of the orders, and since when, in microseconds since 1970; asked until it has all, or it takes too long.
async fn recorded(
    topology: &Topology,
    orders: &BTreeSet<Uuid>,
) -> anyhow::Result<(BTreeMap<Uuid, Vec<Line>>, BTreeMap<Uuid, i64>)> {
    let url = topology.databases.get("orders").context("the topology has no database of orders")?;
    let mut sql = PgConnection::connect(url).await.context("PostgreSQL does not answer the audit")?;
    let (ids, until) = (orders.iter().copied().collect::<Vec<Uuid>>(), Instant::now() + SETTLING);
    loop {
        let query = "select order_id, sku, sum(quantity)::bigint as units from order_item where order_id = any($1) group by 1, 2";
        let rows = sqlx::query(query).bind(&ids).fetch_all(&mut sql).await.context("PostgreSQL does not answer the audit")?;
        let mut found: BTreeMap<Uuid, Vec<Line>> = BTreeMap::new();
        for row in rows {
            let line = Line { sku: row.try_get("sku")?, qty: u64::try_from(row.try_get::<i64, _>("units")?)? };
            found.entry(row.try_get("order_id")?).or_default().push(line);
        }
        if found.len() == ids.len() || Instant::now() > until {
            found.values_mut().for_each(|lines| lines.sort());
            let query =
                "select id, (extract(epoch from recorded_at) * 1000000)::bigint as at_us from shop_order where id = any($1)";
            let rows = sqlx::query(query).bind(&ids).fetch_all(&mut sql).await.context("PostgreSQL does not answer the audit")?;
            let times = rows.iter().map(|row| Ok((row.try_get("id")?, row.try_get("at_us")?)));
            return Ok((found, times.collect::<Result<_, sqlx::Error>>()?));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn levels(client: &InventoryClient, sku: &Sku, began_at: OffsetDateTime, writer: &Writer<ShopLine>) -> anyhow::Result<()> {
    let since = |at: OffsetDateTime| u64::try_from((at - began_at).whole_nanoseconds()).unwrap_or_default();
    let (mut value, mut cursor): (i64, Option<String>) = (0, None);
    loop {
        let page = client.ledger(&context(), sku, MOVEMENTS, MAX_PAGE_LIMIT, cursor.as_deref()).await;
        let Some(page) = page.with_context(|| format!("the ledger of {sku} cannot be read"))? else { return Ok(()) };
        if let Some(opening) = page.opening {
            value = opening.locations.iter().map(|at| i64::try_from(at.available).unwrap_or(i64::MAX)).sum();
            let (sku, ver, at) = (sku.to_string(), opening.version, 0);
            writer.write(ShopLine::Level(Level { sku, ver, at, value: u64::try_from(value).unwrap_or_default() })).await;
        }
        for movement in page.items {
            value += movement.changes.iter().map(|change| change.on_hand - change.reserved).sum::<i64>();
            let (sku, ver, at) = (sku.to_string(), movement.version, since(movement.at));
            writer.write(ShopLine::Level(Level { sku, ver, at, value: u64::try_from(value).unwrap_or_default() })).await;
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(());
        }
    }
}
