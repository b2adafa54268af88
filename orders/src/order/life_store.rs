//! Transitions of orders in PostgreSQL: one SQL transaction checks, records, and writes what others must learn of it.
//!
//! Owns: the order's lock. A transaction takes it before it writes anything, so that transactions that change one order are numbered in the
//! order in which they change it; the relay of the outbox counts on that.

use std::sync::Arc;

use orders_api::{OrderStatus, OrderSummary};
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection, types::Json};
use storefront_types::{Money, OrderId, Page, ShopperId};
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{
    dossier::{self, Dossier},
    effect::effects,
    life::{Change, Command, Refused},
    publish::event_of,
};
use crate::{
    database::{Connections, DatabaseError, within},
    outbox::{self, OutboxRow},
};

/// Somebody wants something done with an order.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) order: OrderId,
    pub(crate) command: Command,
    pub(crate) actor: String,
    pub(crate) reason: Option<String>,
    /// The caller's name for the command; the same name is decided once.
    pub(crate) key: Option<String>,
    /// Whose order it has to be, where a shopper asks.
    pub(crate) shopper: Option<ShopperId>,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransitionError {
    #[error("PostgreSQL has no such order")]
    NotFound,
    #[error("the order does not allow it: {0:?}")]
    Refused(Refused),
    /// The key belongs to a command of other content.
    #[error("the key was used for another command")]
    KeyReused,
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Cheap to clone; clones share the bell of pending effects.
#[derive(Clone)]
pub(crate) struct LifeStore {
    pub(crate) sql: Connections,
    /// Rung when a transition left effects.
    pub(crate) wanted: Arc<Notify>,
}

type Decided<T> = Result<T, TransitionError>;

impl LifeStore {
    pub(crate) fn new(sql: Connections) -> Self {
        Self { sql, wanted: Arc::new(Notify::new()) }
    }

    pub(crate) async fn read(&self, id: OrderId) -> Result<Option<Dossier>, DatabaseError> {
        within(async {
            let mut sql = self.sql.acquire().await?;
            dossier::read(&mut sql, id).await
        })
        .await
    }

    /// Does it, or finds that it was done. The answer is the order afterwards.
    pub(crate) async fn transition(&self, wish: &Wish) -> Decided<Dossier> {
        let decided = within(async {
            let mut sql = self.sql.acquire().await?;
            let mut transaction = sql.begin().await?;
            let decided = decide(&mut transaction, wish).await?;
            // Locks of an order that was only looked at are given back, too.
            transaction.commit().await?;
            Ok(decided)
        });
        let dossier = decided.await??;
        crate::fault::after("transition");
        self.wanted.notify_one();
        Ok(dossier)
    }

    /// The provider has the money. An order that does not take it any more was called off meanwhile; its money goes back by itself.
    pub(crate) async fn paid(&self, order: OrderId, reference: Option<&str>) -> Result<(), DatabaseError> {
        let command = Command::Pay { reference: reference.map(str::to_owned) };
        let actor = "payments".to_owned();
        match self.transition(&Wish { order, command, actor, reason: None, key: None, shopper: None }).await {
            Err(TransitionError::Database(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Orders of a status, oldest first, after a cursor.
    pub(crate) async fn list(
        &self,
        status: OrderStatus,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Page<OrderSummary>, DatabaseError> {
        let (from, id) = after.unwrap_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()));
        let rows = within(async {
            // The first condition on the time is the second's own, for the choice of partitions.
            let page = sqlx::query!(
                "select id, status, version, shopper_id, total_amount, currency, placed_at from shop_order
                 where status = $1 and placed_at >= $2 and (placed_at, id) > ($2, $3) order by placed_at, id limit $4",
                status.as_str(),
                from,
                id,
                i64::from(limit) + 1,
            );
            page.fetch_all(&self.sql).await
        })
        .await?;
        let more = rows.len() > limit as usize;
        let mut items = Vec::with_capacity(rows.len());
        for row in rows.into_iter().take(limit as usize) {
            let currency = row.currency.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            items.push(OrderSummary {
                id: OrderId::new(row.id),
                status: OrderStatus::parse(&row.status).unwrap_or(status),
                version: row.version,
                shopper_id: ShopperId::new(row.shopper_id),
                total: Money::new(row.total_amount, currency),
                placed_at: row.placed_at,
            });
        }
        let next_cursor = items.last().filter(|_| more);
        let next_cursor = next_cursor.map(|last| format!("{}.{}", last.placed_at.unix_timestamp_nanos(), last.id));
        Ok(Page { items, next_cursor })
    }
}

async fn lock(sql: &mut PgConnection, id: OrderId) -> Result<(), sqlx::Error> {
    let lock = sqlx::query!("select pg_advisory_xact_lock(hashtextextended($1::text, 0))", id.to_string());
    lock.fetch_one(sql).await.map(drop)
}

async fn decide(sql: &mut PgConnection, wish: &Wish) -> Result<Decided<Dossier>, sqlx::Error> {
    lock(sql, wish.order).await?;
    let found = dossier::read(sql, wish.order).await?;
    let Some(dossier) = found.filter(|found| wish.shopper.is_none_or(|shopper| shopper == found.shopper)) else {
        return Ok(Err(TransitionError::NotFound));
    };
    let fingerprint = fingerprint(wish);
    if let Some(key) = &wish.key {
        let before = sqlx::query_scalar!(
            "select fingerprint from order_transition where order_id = $1 and command_key = $2",
            wish.order.uuid(),
            key,
        );
        match before.fetch_optional(&mut *sql).await? {
            Some(before) if before.as_ref() == Some(&fingerprint) => return Ok(Ok(dossier)),
            Some(_) => return Ok(Err(TransitionError::KeyReused)),
            None => {}
        }
    }
    match dossier.life.decide(&wish.command) {
        Err(refused) => Ok(Err(TransitionError::Refused(refused))),
        Ok(None) => Ok(Ok(dossier)),
        Ok(Some(change)) => {
            record(sql, wish, &dossier, &change, &fingerprint).await?;
            Ok(dossier::read(sql, wish.order).await?.ok_or(TransitionError::NotFound))
        }
    }
}

/// SHA-256 of what is wanted. Who wants it and why do not belong to it: a repetition may come from a colleague.
fn fingerprint(wish: &Wish) -> Vec<u8> {
    Sha256::digest(serde_json::to_vec(&wish.command).unwrap_or_default()).to_vec()
}

/// Writes the transition, where the order stands now, what is to be done, and what others learn.
async fn record(
    sql: &mut PgConnection,
    wish: &Wish,
    dossier: &Dossier,
    change: &Change,
    fingerprint: &[u8],
) -> Result<(), sqlx::Error> {
    let mut after = dossier.life.clone();
    after.apply(change, dossier.placed_at);
    let (id, version, status) = (wish.order.uuid(), after.version, after.status().as_str());
    sqlx::query!(
        "insert into order_transition (order_id, version, change, status, actor, reason, command_key, fingerprint)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        id,
        version,
        Json(change) as _,
        status,
        wish.actor,
        wish.reason,
        wish.key,
        fingerprint,
    )
    .execute(&mut *sql)
    .await?;
    sqlx::query!(
        "update shop_order set status = $3, version = $4 where id = $1 and placed_at = $2",
        id,
        dossier.placed_at,
        status,
        version,
    )
    .execute(&mut *sql)
    .await?;
    for effect in effects((wish.order, dossier.total.currency()), &dossier.life, change) {
        sqlx::query!(
            "insert into order_effect (id, order_id, version, kind, body) values ($1, $2, $3, $4, $5) on conflict (id) do nothing",
            effect.id,
            id,
            version,
            effect.body.kind(),
            Json(&effect.body) as _,
        )
        .execute(&mut *sql)
        .await?;
    }
    let event = event_of(wish.order, dossier.total, (&after, change), wish.reason.as_deref());
    outbox::insert(sql, &OutboxRow::new(wish.order, version, &event)?).await
}
