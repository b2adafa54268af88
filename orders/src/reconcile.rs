//! Brings every accepted order to rest: what the inventory confirmed and nobody acknowledged is recorded and acknowledged.
//!
//! All instances look, and each works on what no other one has claimed, so that a backlog is shared.

mod claims;
mod told;

use std::{process::ExitCode, time::Duration};

use anyhow::Context;
use inventory_api::{InventoryClient, MAX_BATCH_COMMANDS, Reservation};
use serde::Serialize;
use storefront_service::background_context;
use storefront_types::{CallContext, ReservationId};

use crate::{checkout::memo_of, config::ReconcileArgs, database, order::OrderStore};

pub(crate) use claims::Claims;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);

/// Reservations of one page.
const PAGE: u32 = 200;

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Pass {
    recorded: u64,
    /// Confirmed reservations without an order's memo: not made by a checkout, so not ours to acknowledge.
    foreign: u64,
}

/// What came of one page.
struct Page {
    recorded: u64,
    foreign: u64,
    /// Claimed by another instance.
    others: u64,
}

/// What a pass needs. Clones share nothing but connections.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) store: OrderStore,
    pub(crate) inventory: InventoryClient,
    /// `None`: by hand, everything, whoever else is at it.
    pub(crate) claims: Option<Claims>,
}

impl Reconciler {
    pub(crate) async fn run(mut self, older_than_ms: u64) {
        loop {
            tokio::time::sleep(EVERY).await;
            match self.pass(older_than_ms).await {
                Ok(done) if done.recorded > 0 => tracing::info!(recorded = done.recorded, "reconciled"),
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the reconciler tries again"),
            }
        }
    }

    async fn pass(&mut self, older_than_ms: u64) -> anyhow::Result<Pass> {
        let context = background_context();
        let (mut done, mut others, mut cursor) = (Pass::default(), 0, None);
        loop {
            let page = self.inventory.unacknowledged(&context, older_than_ms, PAGE, cursor.as_deref()).await?;
            crate::fault::panics("reconcile");
            let worked = self.bring_to_rest(&context, page.items).await;
            if let Some(claims) = &mut self.claims {
                claims.release().await?;
            }
            let left = worked?;
            done.recorded += left.recorded;
            done.foreign += left.foreign;
            others += left.others;
            cursor = page.next_cursor;
            if cursor.is_none() {
                // Otherwise nobody knows here how many of the others' are foreign.
                if others == 0 {
                    metrics::gauge!("orders_foreign_reservations").set(done.foreign as f64);
                }
                metrics::counter!("orders_reconciled_total").increment(done.recorded);
                return Ok(done);
            }
        }
    }

    async fn bring_to_rest(&mut self, context: &CallContext, mut page: Vec<Reservation>) -> anyhow::Result<Page> {
        let all = page.len();
        if let Some(claims) = &mut self.claims
            && !page.is_empty()
        {
            let ids: Vec<ReservationId> = page.iter().map(|reservation| reservation.id).collect();
            let mut claimed = claims.claim(&ids).await?.into_iter();
            page.retain(|_| claimed.next().unwrap_or(false));
        }
        let mut recorded: Vec<ReservationId> = Vec::new();
        // At once: the store gathers them into few SQL commits.
        let recording = page.iter().map(|reservation| record(&self.store, reservation));
        for (reservation, was) in page.iter().zip(futures_util::future::join_all(recording).await) {
            if was? {
                recorded.push(reservation.id);
            }
        }
        for ids in recorded.chunks(MAX_BATCH_COMMANDS) {
            self.inventory.acknowledge(context, ids.to_vec()).await?;
        }
        let [recorded, foreign, others] =
            [recorded.len(), page.len() - recorded.len(), all - page.len()].map(|reservations| reservations as u64);
        Ok(Page { recorded, foreign, others })
    }
}

/// `false`: the memo is no order's, or PostgreSQL will never take it. One such reservation must not keep the others waiting.
pub(crate) async fn record(store: &OrderStore, reservation: &Reservation) -> anyhow::Result<bool> {
    let Some((memo, id)) = memo_of(reservation).and_then(|memo| memo.order_of(reservation.id).map(|id| (memo, id))) else {
        tracing::debug!(id = %reservation.id, "a confirmed reservation has no order's memo");
        return Ok(false);
    };
    match store.record(id, &memo, None).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_away() => Err(error.into()),
        Err(error) => {
            tracing::error!(%error, order = %id, "an accepted order cannot be recorded; an operator must look at it");
            metrics::counter!("orders_poisoned_total").increment(1);
            Ok(false)
        }
    }
}

/// `orders reconcile`: one pass, told.
pub async fn run_once(args: ReconcileArgs) -> anyhow::Result<ExitCode> {
    let inventory = InventoryClient::new(args.inventory).with_tls(args.inventory_tls.open()?.as_ref());
    let sql = database::pool(&args.database_url)?;
    database::migrate(&args.database_url).await.context("PostgreSQL was not reached; nothing was done")?;
    let done = Reconciler { store: OrderStore::new(sql), inventory, claims: None }.pass(0).await;
    let done = done.context("what was done stays; repeat it for the rest")?;
    told::print(&done, args.output)?;
    Ok(if done.foreign == 0 { ExitCode::SUCCESS } else { ExitCode::from(told::LEFT) })
}
