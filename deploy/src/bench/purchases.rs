//! The inventory's workloads, as the bytes that go over the wire.

use std::fmt::Write;

use inventory_api::{BatchRequest, CommandRequest, InventoryClient, ReceiveRequest};
use storefront_types::{CallContext, CommandId, Quantity, Sku};
use uuid::Uuid;

use super::wire::{Wire, get, post};

const JSON: &str = "application/json";

/// Enough of everything for any round.
const PLENTY: u32 = 1_000_000_000;

/// Name of the nth SKU.
pub(super) fn sku(nth: usize) -> String {
    format!("bench-{nth}")
}

fn purchase(body: &mut String, sku: usize, command: &str) {
    // Writing to a String cannot fail.
    let _ = write!(body, r#"{{{command}"id":"{}","lines":[{{"sku":"bench-{sku}","quantity":1}}]}}"#, Uuid::now_v7());
}

/// Sends single purchases over one connection.
pub(super) async fn buy_one(wire: &mut Wire, sku: usize) -> Option<u64> {
    let mut body = String::with_capacity(128);
    purchase(&mut body, sku, "");
    let (status, _) = wire.exchange(&post(inventory_api::paths::PURCHASES, JSON, body.as_bytes())).await.ok()?;
    (status == 201).then_some(1)
}

/// Many purchases in one request; counts those whose outcome is `ok`.
pub(super) async fn buy_many(wire: &mut Wire, skus: impl Iterator<Item = usize>) -> Option<u64> {
    let mut body = String::from(r#"{"commands":["#);
    for (at, sku) in skus.enumerate() {
        body.push_str(if at == 0 { "" } else { "," });
        purchase(&mut body, sku, r#""command":"purchase","#);
    }
    body.push_str("]}");
    let (status, answer) = wire.exchange(&post(inventory_api::paths::BATCH, JSON, body.as_bytes())).await.ok()?;
    (status == 200).then(|| count_ok(answer))
}

/// Outcomes that say `ok`, without parsing the answer: the load generator's time is the measured one's.
fn count_ok(answer: &[u8]) -> u64 {
    memchr::memmem::find_iter(answer, br#""outcome":"ok""#).count() as u64
}

/// Stock for the nth SKUs at one location.
pub(super) async fn receive(wire: &mut Wire, skus: std::ops::Range<usize>, locations: &[&str]) -> anyhow::Result<()> {
    let mut body = String::from(r#"{"commands":["#);
    let mut wanted = 0;
    for sku in skus {
        for location in locations {
            let id = CommandId::new(Uuid::now_v7());
            let comma = if wanted == 0 { "" } else { "," };
            let _ = write!(
                body,
                r#"{comma}{{"command":"receive","id":"{id}","sku":"bench-{sku}","location":"{location}","quantity":{PLENTY}}}"#
            );
            wanted += 1;
        }
    }
    body.push_str("]}");
    let (status, answer) = wire.exchange(&post(inventory_api::paths::BATCH, JSON, body.as_bytes())).await?;
    anyhow::ensure!(status == 200 && count_ok(answer) == wanted, "stock was not taken: {}", String::from_utf8_lossy(answer));
    Ok(())
}

/// Holds one unit of each SKU for a day.
pub(super) async fn reserve(wire: &mut Wire, skus: std::ops::Range<usize>) -> anyhow::Result<()> {
    let mut body = String::from(r#"{"commands":["#);
    let wanted = skus.len() as u64;
    for (at, sku) in skus.enumerate() {
        body.push_str(if at == 0 { "" } else { "," });
        purchase(&mut body, sku, r#""command":"reserve","ttl_ms":86400000,"#);
    }
    body.push_str("]}");
    let (status, answer) = wire.exchange(&post(inventory_api::paths::BATCH, JSON, body.as_bytes())).await?;
    anyhow::ensure!(status == 200 && count_ok(answer) == wanted, "holds were not taken: {}", String::from_utf8_lossy(answer));
    Ok(())
}

/// A linearizable read of one SKU.
pub(super) async fn read(wire: &mut Wire, sku: usize) -> Option<u64> {
    let path = inventory_api::paths::STOCK.replace("{sku}", &self::sku(sku));
    let (status, _) = wire.exchange(&get(&path)).await.ok()?;
    (status == 200).then_some(1)
}

/// Stock for named SKUs, whichever node leads.
pub(super) async fn receive_skus(nodes: &[String], skus: &[Sku]) -> anyhow::Result<()> {
    let (location, quantity) = ("eu-1".parse::<storefront_types::LocationId>()?, Quantity::new(PLENTY)?);
    let of = |sku: &Sku| {
        let id = CommandId::new(Uuid::now_v7());
        CommandRequest::Receive(ReceiveRequest { id, sku: sku.clone(), location: location.clone(), quantity })
    };
    let client = InventoryClient::new(nodes.to_vec());
    let commands = skus.iter().map(of).collect();
    client.batch(&CallContext::background(Uuid::new_v4()), &BatchRequest { commands }).await?;
    Ok(())
}
