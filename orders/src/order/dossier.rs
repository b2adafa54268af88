//! Everything that PostgreSQL knows of one order, read in one go.

use orders_api::{
    Address, EffectState, HistoryEntry, Order, OrderDetail, OrderLine, OrderStatus, Parcel, Refund, RefundState, UnitsOf,
};
use sqlx::{PgConnection, types::Json};
use storefront_types::{Currency, Money, OrderId, Quantity, ShopperId, Sku};
use time::OffsetDateTime;

use super::{
    effect::EffectBody,
    life::{Change, Life},
};

/// One order with its history and what is still to be done for it.
#[derive(Clone, Debug)]
pub(crate) struct Dossier {
    pub(crate) id: OrderId,
    pub(crate) shopper: ShopperId,
    pub(crate) total: Money,
    pub(crate) placed_at: OffsetDateTime,
    pub(crate) life: Life,
    address: Address,
    history: Vec<HistoryEntry>,
    effects: Vec<EffectState>,
    refunds: Vec<Refund>,
}

fn unreadable(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

/// `None`: PostgreSQL does not have the order.
pub(crate) async fn read(sql: &mut PgConnection, id: OrderId) -> Result<Option<Dossier>, sqlx::Error> {
    let order = sqlx::query!(
        r#"select shopper_id, total_amount, currency, delivery_address as "address: Json<Address>", placed_at
           from shop_order where id = $1"#,
        id.uuid(),
    );
    let Some(order) = order.fetch_optional(&mut *sql).await? else { return Ok(None) };
    let items = sqlx::query!(
        "select sku, quantity, unit_amount from order_item where order_id = $1 and placed_at = $2 order by position",
        id.uuid(),
        order.placed_at,
    );
    let mut lines = Vec::new();
    for item in items.fetch_all(&mut *sql).await? {
        let quantity = u32::try_from(item.quantity).map_err(unreadable)?;
        lines.push((Sku::parse(&item.sku).map_err(unreadable)?, quantity, item.unit_amount));
    }
    let currency: Currency = order.currency.parse().map_err(unreadable)?;
    let mut dossier = Dossier {
        id,
        shopper: ShopperId::new(order.shopper_id),
        total: Money::new(order.total_amount, currency),
        placed_at: order.placed_at,
        life: Life::placed(lines),
        address: order.address.0,
        history: Vec::new(),
        effects: Vec::new(),
        refunds: Vec::new(),
    };
    dossier.placed_entry();
    dossier.read_history(sql).await?;
    dossier.read_effects(sql).await?;
    Ok(Some(dossier))
}

impl Dossier {
    fn placed_entry(&mut self) {
        self.history.push(HistoryEntry {
            version: 1,
            status: OrderStatus::Placed,
            by: "shopper".to_owned(),
            reason: None,
            change: serde_json::json!({"kind": "placed"}),
            at: self.placed_at,
        });
    }

    async fn read_history(&mut self, sql: &mut PgConnection) -> Result<(), sqlx::Error> {
        let done = sqlx::query!(
            "select version, change, status, actor, reason, at from order_transition where order_id = $1 order by version",
            self.id.uuid(),
        );
        for row in done.fetch_all(sql).await? {
            let change: Change = serde_json::from_value(row.change.clone()).map_err(unreadable)?;
            self.life.apply(&change, row.at);
            let status = OrderStatus::parse(&row.status).unwrap_or(self.life.status());
            let (version, by, reason, change, at) = (row.version, row.actor, row.reason, row.change, row.at);
            self.history.push(HistoryEntry { version, status, by, reason, change, at });
        }
        Ok(())
    }

    async fn read_effects(&mut self, sql: &mut PgConnection) -> Result<(), sqlx::Error> {
        let wanted = sqlx::query!(
            r#"select version, kind, body as "body: Json<EffectBody>", attempts, last_error, done_at, result as "result: Json<RefundState>"
               from order_effect where order_id = $1 order by version, id"#,
            self.id.uuid(),
        );
        for row in wanted.fetch_all(sql).await? {
            if let EffectBody::Refund { amount, .. } = row.body.0 {
                let state = row.result.map_or(RefundState::Pending, |state| state.0);
                self.refunds.push(Refund { amount, state });
            }
            let (kind, version, is_done) = (row.kind, row.version, row.done_at.is_some());
            let (attempts, last_error) = (row.attempts, row.last_error.filter(|_| !is_done));
            self.effects.push(EffectState { kind, version, is_done, attempts, last_error });
        }
        Ok(())
    }

    /// As its shopper sees it.
    pub(crate) fn order(&self) -> Order {
        let line = |line: &super::life::LifeLine| OrderLine {
            sku: line.sku.clone(),
            quantity: line.ordered,
            unit_price: Money::new(line.unit_amount, self.total.currency()),
            cancelled: line.cancelled,
        };
        let units = |units: &crate::outbox::Units| {
            Some(UnitsOf { sku: units.sku.clone(), quantity: Quantity::new(units.quantity).ok()? })
        };
        let parcel = |parcel: &super::life::Parcel| Parcel {
            number: parcel.number,
            carrier: parcel.carrier.clone(),
            tracking: parcel.tracking.clone(),
            lines: parcel.lines.iter().filter_map(units).collect(),
            shipped_at: parcel.shipped_at,
            delivered_at: parcel.delivered_at,
        };
        Order {
            id: self.id,
            status: self.life.status(),
            lines: self.life.lines.iter().map(line).collect(),
            total: self.total,
            delivery_address: self.address.clone(),
            placed_at: self.placed_at,
            parcels: self.life.parcels.iter().map(parcel).collect(),
            refunds: self.refunds.clone(),
        }
    }

    /// As operators see it.
    pub(crate) fn detail(&self) -> OrderDetail {
        OrderDetail {
            order: self.order(),
            shopper_id: self.shopper,
            version: self.life.version,
            is_paid: self.life.is_paid,
            allowed: self.life.allowed().into_iter().map(str::to_owned).collect(),
            history: self.history.clone(),
            effects: self.effects.clone(),
        }
    }
}
