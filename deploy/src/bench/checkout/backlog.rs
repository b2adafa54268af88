//! How long it takes until every accepted order is recorded.

use std::time::{Duration, Instant};

use anyhow::ensure;
use deploy_api::{ProcessKind, Topology};
use inventory_api::InventoryClient;
use storefront_types::CallContext;
use uuid::Uuid;

/// Between two looks.
const EVERY: Duration = Duration::from_millis(100);

/// Longest wait.
const LIMIT: Duration = Duration::from_secs(600);

/// Orders of one page while they are counted.
const PAGE: u32 = 200;

pub(super) struct Backlog {
    pub(super) orders: u64,
    pub(super) took: Duration,
}

impl Backlog {
    pub(super) fn per_s(&self) -> f64 {
        self.orders as f64 / self.took.as_secs_f64()
    }
}

/// Counts what waits, then waits until nothing does.
pub(super) async fn recorded(topology: &Topology) -> anyhow::Result<Backlog> {
    let (client, context) =
        (InventoryClient::new(topology.http_of(ProcessKind::Inventory)), CallContext::background(Uuid::new_v4()));
    let began = Instant::now();
    let (mut orders, mut cursor) = (0, None);
    loop {
        let page = client.unacknowledged(&context, 0, PAGE, cursor.as_deref()).await?;
        orders += page.items.len() as u64;
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    while !client.unacknowledged(&context, 0, 1, None).await?.items.is_empty() {
        ensure!(began.elapsed() < LIMIT, "orders still wait after {LIMIT:?}; see the log of orders");
        tokio::time::sleep(EVERY).await;
    }
    Ok(Backlog { orders, took: began.elapsed() })
}
