//! Tells the inventory which orders PostgreSQL has, in batches, a little later.

use std::{sync::Arc, time::Duration};

use inventory_api::{InventoryClient, MAX_BATCH_COMMANDS};
use storefront_service::background_context;
use storefront_types::ReservationId;
use tokio::sync::{Mutex, mpsc};

use crate::supervise::Background;

/// Collected for so long, so that many orders become one command.
const COLLECT: Duration = Duration::from_millis(100);

/// Orders that wait. What does not fit, the reconciler finds.
const QUEUE: usize = 10_000;

#[derive(Clone)]
pub(crate) struct Acknowledger {
    queue: mpsc::Sender<ReservationId>,
}

impl Acknowledger {
    pub(crate) fn start(inventory: InventoryClient, background: &mut Background) -> Self {
        let (queue, orders) = mpsc::channel(QUEUE);
        background.start("acknowledge", (inventory, Arc::new(Mutex::new(orders))), run);
        Self { queue }
    }

    /// Never waits.
    pub(crate) fn recorded(&self, reservation: ReservationId) {
        if self.queue.try_send(reservation).is_err() {
            metrics::counter!("orders_acknowledgements_dropped_total").increment(1);
        }
    }
}

async fn run((inventory, orders): (InventoryClient, Arc<Mutex<mpsc::Receiver<ReservationId>>>)) {
    let mut orders = orders.lock().await;
    let mut batch = Vec::new();
    while orders.recv_many(&mut batch, 1).await > 0 {
        tokio::time::sleep(COLLECT).await;
        while batch.len() < MAX_BATCH_COMMANDS {
            let Ok(order) = orders.try_recv() else { break };
            batch.push(order);
        }
        let ids = std::mem::take(&mut batch);
        if let Err(error) = inventory.acknowledge(&background_context(), ids).await {
            tracing::info!(%error, "orders were not acknowledged; the reconciler will");
        }
    }
}
