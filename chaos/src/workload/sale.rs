//! A sale: few units of one thing, which everybody wants from one moment on.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, ensure};
use deploy_api::{ProcessKind, Topology};
use inventory_api::{AdjustRequest, Consistency, InventoryClient, OutcomeCode};
use storefront_types::{CallContext, CommandId, Sku};
use uuid::Uuid;

use super::catalogue::{Offer, offers};
use crate::audit;

#[derive(Debug)]
pub struct Sale {
    pub(super) offer: Offer,
    /// Units when it opens.
    pub units: u64,
    client: InventoryClient,
    open: AtomicBool,
}

fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

impl Sale {
    /// Of the first thing in the shop; shut.
    pub async fn of(topology: &Topology, units: u64) -> anyhow::Result<Self> {
        let edge = topology.http_of(ProcessKind::Edge).into_iter().next().context("the topology has no edge")?;
        let offers = offers(&reqwest::Client::new(), &edge).await?;
        let offer = offers.into_iter().next().context("the shop has nothing to sell: `cargo deploy up --seed-catalog FILE`")?;
        Ok(Self { offer, units, client: audit::inventory(topology)?, open: AtomicBool::new(false) })
    }

    pub fn sku(&self) -> &Sku {
        &self.offer.sku
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Units on hand become those of the sale, as after a count, and from now on everybody wants one.
    pub async fn open(&self) -> anyhow::Result<()> {
        let stock = self.client.stock(&context(), self.sku(), Consistency::Linearizable).await?;
        let locations = stock.with_context(|| format!("{} has no stock", self.sku()))?.locations;
        let mut wanted = i64::try_from(self.units)?;
        for (nth, at) in locations.iter().enumerate() {
            ensure!(at.reserved == 0, "{} units of {} are held; a sale begins with none", at.reserved, self.sku());
            let units = if nth == 0 { std::mem::take(&mut wanted) } else { 0 };
            let quantity = units - i64::try_from(at.on_hand)?;
            if quantity != 0 {
                let (id, sku, location) = (CommandId::new(Uuid::now_v7()), self.sku().clone(), at.location.clone());
                let outcome = self.client.adjust(&context(), &AdjustRequest { id, sku, location, quantity }).await?;
                ensure!(outcome.outcome == OutcomeCode::Ok, "the stock of {} cannot be set: {:?}", self.sku(), outcome.outcome);
            }
        }
        self.open.store(true, Ordering::Release);
        Ok(())
    }

    /// Units that are still there.
    pub async fn left(&self) -> anyhow::Result<u64> {
        let stock = self.client.stock(&context(), self.sku(), Consistency::Linearizable).await?;
        Ok(stock.map(|stock| stock.available()).unwrap_or_default())
    }
}
