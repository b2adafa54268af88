//! What PostgreSQL knows of payments, one row for each recorded order that is paid for, which is written with the order
//! (`order/recorder.rs`); which webhook events were taken, and who holds stock.

use std::time::Duration;

use orders_api::OrderStatus;
use storefront_types::{Currency, OrderId, ShopperId};
use time::OffsetDateTime;

use crate::database::{Connections, DatabaseError, within};

/// How long a taken event is remembered. A signature is good for 5 minutes; a provider may send the same event anew, with a new
/// signature, for three days.
const REMEMBER_EVENTS: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// How long it is known who held stock: longer than any hold lasts with all its extensions, and shorter than the inventory remembers an
/// order, so that one that the inventory does not know was never begun.
pub(super) const REMEMBER_HOLDS: Duration = Duration::from_secs(60 * 60);

/// Expired events that are forgotten at once.
const FORGET: i64 = 1_000;

#[derive(Clone)]
pub(crate) struct PaymentStore {
    pub(super) sql: Connections,
}

/// A payment as it stands in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) provider: String,
    pub(crate) reference: Option<String>,
    pub(crate) is_captured: bool,
    pub(crate) is_voided: bool,
    pub(crate) currency: Currency,
}

/// A recorded order, as far as its payment is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    Stands,
    /// Called off: its money is not to be taken.
    Cancelled,
}

impl PaymentStore {
    pub(crate) fn new(sql: Connections) -> Self {
        Self { sql }
    }

    /// Whether PostgreSQL has the order itself.
    pub(crate) async fn order(&self, order: OrderId) -> Result<Option<Recorded>, DatabaseError> {
        let status = within(async {
            sqlx::query_scalar!("select status from shop_order where id = $1", order.uuid()).fetch_optional(&self.sql).await
        });
        let status = status.await?;
        Ok(status.map(|status| if status == OrderStatus::Cancelled.as_str() { Recorded::Cancelled } else { Recorded::Stands }))
    }

    /// The payment of an order, if it was paid for.
    pub(crate) async fn find(&self, order: OrderId) -> Result<Option<Known>, DatabaseError> {
        let row = within(async {
            sqlx::query!("select provider, reference, state, currency from payment where order_id = $1", order.uuid())
                .fetch_optional(&self.sql)
                .await
        });
        let known = row.await?.map(|row| {
            let (is_captured, is_voided) = (row.state == "captured", row.state == "voided");
            let currency = row.currency.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok::<_, sqlx::Error>(Known { provider: row.provider, reference: row.reference, is_captured, is_voided, currency })
        });
        Ok(known.transpose()?)
    }

    /// The money was taken.
    pub(crate) async fn captured(&self, order: OrderId) -> Result<(), DatabaseError> {
        self.to_state(order, "captured", None).await.map(drop)
    }

    /// The money was let go of.
    pub(crate) async fn voided(&self, order: OrderId) -> Result<(), DatabaseError> {
        self.to_state(order, "voided", None).await.map(drop)
    }

    /// It is not tried any more: an operator must look at it. `false`: it is over already.
    pub(crate) async fn failed(&self, order: OrderId, why: &str) -> Result<bool, DatabaseError> {
        self.to_state(order, "failed", Some(why)).await
    }

    /// What is captured or voided stays so; what was given up may still come to that.
    async fn to_state(&self, order: OrderId, state: &str, why: Option<&str>) -> Result<bool, DatabaseError> {
        let changed = within(async {
            sqlx::query!(
                "update payment set state = $2, last_error = $3, updated_at = now()
                 where order_id = $1 and (state = 'authorised' or (state = 'failed' and $2 <> 'failed'))",
                order.uuid(),
                state,
                why
            )
            .execute(&self.sql)
            .await
        });
        Ok(changed.await?.rows_affected() == 1)
    }

    /// Takes a webhook event, once. `false`: it was taken before.
    pub(crate) async fn take_event(&self, provider: &str, id: &str, now: OffsetDateTime) -> Result<bool, DatabaseError> {
        let taken = within(async {
            sqlx::query!(
                "insert into payment_event (provider, id, expires_at) values ($1, $2, $3) on conflict do nothing",
                provider,
                id,
                now + REMEMBER_EVENTS
            )
            .execute(&self.sql)
            .await
        });
        Ok(taken.await?.rows_affected() == 1)
    }

    /// An event that could not be acted upon is to be sent again.
    pub(crate) async fn give_event_back(&self, provider: &str, id: &str) -> Result<(), DatabaseError> {
        within(async {
            sqlx::query!("delete from payment_event where provider = $1 and id = $2", provider, id).execute(&self.sql).await
        })
        .await
        .map(|_| ())
    }

    pub(crate) async fn forget_events(&self) -> Result<u64, DatabaseError> {
        let forgotten = within(async {
            sqlx::query!(
                "delete from payment_event where (provider, id) in (
                     select provider, id from payment_event where expires_at < now() order by expires_at limit $1)",
                FORGET
            )
            .execute(&self.sql)
            .await
        });
        Ok(forgotten.await?.rows_affected())
    }

    /// Notes which order of the shopper holds stock from now on, and gives the one before, if it can still hold any.
    pub(crate) async fn swap_hold(&self, shopper: ShopperId, order: OrderId) -> Result<Option<OrderId>, DatabaseError> {
        let before = within(async {
            sqlx::query_scalar!(
                r#"with before as (select order_id from payment_hold
                                   where shopper_id = $1 and noted_at > now() - make_interval(secs => $3) for update),
                        noted as (insert into payment_hold (shopper_id, order_id) values ($1, $2)
                                  on conflict (shopper_id) do update set order_id = excluded.order_id, noted_at = now())
                   select order_id from before"#,
                shopper.uuid(),
                order.uuid(),
                REMEMBER_HOLDS.as_secs_f64()
            )
            .fetch_optional(&self.sql)
            .await
        });
        Ok(before.await?.filter(|before| *before != order.uuid()).map(OrderId::new))
    }
}
