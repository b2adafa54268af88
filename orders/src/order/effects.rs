//! Brings about what transitions left to be done, again and again until it is done.
//!
//! Owns: claiming effects, their plans and their results. Must not: change an order. A crash at any place is mended by doing it again: the
//! inventory and the payment provider know each effect by its name.

use std::{sync::Arc, time::Duration};

use inventory_api::{Consistency, InventoryClient, Outcome, OutcomeCode, ReceiveRequest};
use orders_api::RefundState;
use sqlx::types::Json;
use storefront_service::background_context;
use storefront_types::{CallContext, LocationId, OrderId, Quantity, Sku};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    effect::{EffectBody, Part, Plan, receipt_id, spread},
    life_store::LifeStore,
    refund::{MoneyBack, RefundDue},
};
use crate::{
    checkout::newest_attempt,
    database::{Connections, DatabaseError, within},
};

/// Between two looks without a bell.
const EVERY: Duration = Duration::from_secs(1);

/// Effects claimed at once; each takes a few milliseconds.
const CLAIMED: i64 = 50;

/// Nobody else tries a claimed effect for so long, so that is how long one waits whose process died. A slow one may be tried twice at once,
/// which is harmless.
const LEASE_S: i64 = 10;

/// Longest wait between two attempts.
const MAX_WAIT_S: i64 = 300;

/// What does the work.
#[derive(Clone)]
pub(crate) struct Effects {
    pub(crate) life: LifeStore,
    pub(crate) inventory: InventoryClient,
    pub(crate) money: MoneyBack,
}

struct Claimed {
    id: Uuid,
    order: OrderId,
    body: EffectBody,
    attempts: i32,
}

/// Why an effect is not done yet; in words for operators.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("{0}")]
    Later(String),
}

fn later(error: impl std::fmt::Display) -> NotDone {
    NotDone::Later(error.to_string())
}

impl Effects {
    pub(crate) async fn run(self) {
        let wanted: Arc<Notify> = self.life.wanted.clone();
        loop {
            let _ = tokio::time::timeout(EVERY, wanted.notified()).await;
            while let Ok(claimed) = self.pass().await
                && claimed > 0
            {}
        }
    }

    /// Tries everything that is due; gives how many were tried.
    pub(crate) async fn pass(&self) -> Result<usize, DatabaseError> {
        let claimed = claim(&self.life.sql).await?;
        for effect in &claimed {
            match self.bring_about(effect).await {
                Ok(result) => {
                    metrics::counter!("orders_effects_total", "kind" => effect.body.kind(), "outcome" => "done").increment(1);
                    done(&self.life.sql, effect.id, result).await?;
                }
                Err(error) => {
                    tracing::warn!(%error, order = %effect.order, kind = effect.body.kind(), "an order's effect is tried again later");
                    metrics::counter!("orders_effects_total", "kind" => effect.body.kind(), "outcome" => "later").increment(1);
                    put_off(&self.life.sql, effect, &error.to_string()).await?;
                }
            }
        }
        Ok(claimed.len())
    }

    async fn bring_about(&self, effect: &Claimed) -> Result<Option<RefundState>, NotDone> {
        let context = background_context();
        match &effect.body {
            EffectBody::Restock { sku, plan: Some(plan), .. } => {
                self.receive(&context, effect.id, sku, plan).await.map(|()| None)
            }
            EffectBody::Restock { sku, quantity, location, plan: None } => {
                let plan = self.plan(&context, effect.order, (sku, *quantity), location.as_ref()).await?;
                let plan = keep_plan(&self.life.sql, effect.id, &plan).await?;
                crate::fault::after("plan");
                self.receive(&context, effect.id, sku, &plan).await.map(|()| None)
            }
            EffectBody::Refund { amount, is_whole, is_paid } => {
                let (amount, is_whole, is_paid) = (*amount, *is_whole, *is_paid);
                let due = RefundDue { order: effect.order, id: effect.id, amount, is_whole, is_paid };
                self.money.void_or_refund(&due).await.map(Some).map_err(NotDone::Later)
            }
        }
    }

    /// Where units go: where somebody said, else where they came from, else where the SKU lies.
    async fn plan(
        &self,
        context: &CallContext,
        order: OrderId,
        (sku, quantity): (&Sku, u32),
        said: Option<&LocationId>,
    ) -> Result<Plan, NotDone> {
        let now_ms = OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000;
        let made_at_ms = u64::try_from(now_ms).unwrap_or_default();
        if let Some(location) = said {
            return Ok(Plan { parts: vec![(location.clone(), quantity)], made_at_ms });
        }
        let gave = self.gave(context, order, sku).await?;
        let others = match gave.is_empty() {
            true => {
                let stock = self.inventory.stock(context, sku, Consistency::Linearizable).await.map_err(later)?;
                stock.map(|stock| stock.locations.into_iter().map(|at| at.location).collect()).unwrap_or_default()
            }
            false => Vec::new(),
        };
        let back = came_back(&self.life.sql, order, sku).await?;
        let parts = spread(&gave, &back, &others, quantity);
        let nowhere = || NotDone::Later(format!("{sku} lies nowhere; receive it at a location, then this goes on"));
        Ok(Plan { parts: parts.ok_or_else(nowhere)?, made_at_ms })
    }

    /// What each place gave of a SKU: as written down when the order was allocated, else as the inventory remembers it.
    async fn gave(&self, context: &CallContext, order: OrderId, sku: &Sku) -> Result<Vec<Part>, NotDone> {
        let known = self.life.read(order).await?.and_then(|found| found.life.allocated);
        let known: Vec<Part> = known
            .unwrap_or_default()
            .into_iter()
            .filter(|line| line.sku == *sku)
            .map(|line| (line.location, line.quantity))
            .collect();
        if !known.is_empty() {
            return Ok(known);
        }
        let reservation = newest_attempt(&self.inventory, context, order).await.map_err(later)?;
        let lines = reservation.map(|found| found.lines).unwrap_or_default();
        let own = lines.into_iter().filter(|line| line.sku == *sku).flat_map(|line| line.allocations);
        Ok(own.map(|part| (part.location, u32::try_from(part.quantity).unwrap_or(u32::MAX))).collect())
    }

    async fn receive(&self, context: &CallContext, effect: Uuid, sku: &Sku, plan: &Plan) -> Result<(), NotDone> {
        for (nth, (location, quantity)) in plan.parts.iter().enumerate() {
            let quantity = Quantity::new(*quantity).map_err(later)?;
            let (id, sku, location) = (receipt_id(effect, nth, plan), sku.clone(), location.clone());
            let request = ReceiveRequest { id, sku, location, quantity };
            let Outcome { outcome, .. } = self.inventory.receive(context, &request).await.map_err(later)?;
            if outcome != OutcomeCode::Ok {
                let reason = format!("the inventory refused receipt {}: {outcome:?}; compare its ledger", request.id);
                return Err(NotDone::Later(reason));
            }
            crate::fault::after("receipt");
        }
        Ok(())
    }
}

async fn claim(sql: &Connections) -> Result<Vec<Claimed>, DatabaseError> {
    within(async {
        let rows = sqlx::query!(
            r#"update order_effect set attempts = attempts + 1, next_attempt_at = now() + $2::bigint * interval '1 second'
               where id in (select id from order_effect where done_at is null and next_attempt_at <= now()
                            order by next_attempt_at limit $1 for update skip locked)
               returning id, order_id, body as "body: Json<EffectBody>", attempts"#,
            CLAIMED,
            LEASE_S,
        );
        let rows = rows.fetch_all(sql).await?.into_iter();
        Ok(rows
            .map(|row| Claimed { id: row.id, order: OrderId::new(row.order_id), body: row.body.0, attempts: row.attempts })
            .collect())
    })
    .await
}

/// Writes the plan down unless there is one already, and gives the one that stands.
async fn keep_plan(sql: &Connections, id: Uuid, plan: &Plan) -> Result<Plan, DatabaseError> {
    within(async {
        let kept = sqlx::query_scalar!(
            r#"update order_effect set body = case when jsonb_typeof(body -> 'plan') = 'object' then body
                                                   else jsonb_set(body, '{plan}', $2) end
               where id = $1 returning body as "body: Json<EffectBody>""#,
            id,
            Json(plan) as _,
        );
        match kept.fetch_one(sql).await?.0 {
            EffectBody::Restock { plan: Some(kept), .. } => Ok(kept),
            _ => Ok(plan.clone()),
        }
    })
    .await
}

/// What other returns of the order already have planned for a SKU.
async fn came_back(sql: &Connections, order: OrderId, sku: &Sku) -> Result<Vec<Part>, DatabaseError> {
    within(async {
        let planned = sqlx::query_scalar!(
            r#"select body as "body: Json<EffectBody>" from order_effect where order_id = $1 and kind = 'restock'"#,
            order.uuid(),
        );
        let bodies = planned.fetch_all(sql).await?.into_iter();
        let parts = bodies.filter_map(|body| match body.0 {
            EffectBody::Restock { sku: own, plan: Some(plan), .. } if own == *sku => Some(plan.parts),
            _ => None,
        });
        Ok(parts.flatten().collect())
    })
    .await
}

async fn done(sql: &Connections, id: Uuid, result: Option<RefundState>) -> Result<(), DatabaseError> {
    let result = result.map(Json);
    let update = sqlx::query!(
        "update order_effect set done_at = now(), last_error = null, result = $2 where id = $1 and done_at is null",
        id,
        result as _,
    );
    within(update.execute(sql)).await.map(drop)
}

async fn put_off(sql: &Connections, effect: &Claimed, error: &str) -> Result<(), DatabaseError> {
    let wait_s = (1_i64 << effect.attempts.clamp(0, 20)).min(MAX_WAIT_S);
    let update = sqlx::query!(
        "update order_effect set last_error = $2, next_attempt_at = now() + $3::bigint * interval '1 second' where id = $1 and done_at is null",
        effect.id,
        error,
        wait_s,
    );
    within(update.execute(sql)).await.map(drop)
}
