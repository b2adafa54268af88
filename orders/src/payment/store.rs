//! What PostgreSQL knows of payments: one row for each recorded order that was paid for, what is to be given back, and which
//! webhook events were taken.

use std::time::Duration;

use storefront_types::{Currency, Money, OrderId, ShopperId};
use time::OffsetDateTime;

use crate::database::{Connections, DatabaseError, within};

/// First pause after an attempt that came to nothing, doubled with each up to 2^9 of it, about four hours.
const RETRY: Duration = Duration::from_secs(30);

/// Attempts at one capture or refund before an operator is asked: with the pauses above, more than a day.
const MAX_ATTEMPTS: i32 = 20;

/// How long a taken event is remembered. A signature is good for 5 minutes; a provider may send the same event anew, with a new
/// signature, for three days.
const REMEMBER_EVENTS: Duration = Duration::from_secs(4 * 24 * 60 * 60);

/// Expired events that are forgotten at once.
const FORGET: i64 = 1_000;

#[derive(Clone)]
pub(crate) struct PaymentStore {
    sql: Connections,
}

/// A payment that is to be captured.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) order: OrderId,
    pub(crate) reference: Option<String>,
    pub(crate) attempts: i32,
}

/// A payment as it stands in PostgreSQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) reference: Option<String>,
    pub(crate) is_captured: bool,
    pub(crate) is_voided: bool,
    pub(crate) currency: Currency,
}

fn pause(attempts: i32) -> f64 {
    RETRY.as_secs_f64() * f64::from(1_u32 << attempts.clamp(0, 9))
}

impl PaymentStore {
    pub(crate) fn new(sql: Connections) -> Self {
        Self { sql }
    }

    /// Notes the payment of a recorded order; a second time changes nothing but a reference that was missing.
    pub(crate) async fn record(
        &self,
        order: OrderId,
        provider: &str,
        reference: Option<&str>,
        amount: Money,
    ) -> Result<(), DatabaseError> {
        let currency = amount.currency();
        within(async {
            sqlx::query!(
                "insert into payment (order_id, provider, reference, state, amount, currency)
                 values ($1, $2, $3, 'authorised', $4, $5)
                 on conflict (order_id) do update set reference = excluded.reference
                 where payment.reference is null and excluded.reference is not null",
                order.uuid(),
                provider,
                reference,
                amount.amount(),
                currency.as_str()
            )
            .execute(&self.sql)
            .await
        })
        .await
        .map(|_| ())
    }

    /// Whether PostgreSQL has the order itself.
    pub(crate) async fn is_recorded(&self, order: OrderId) -> Result<bool, DatabaseError> {
        within(async {
            sqlx::query_scalar!(r#"select exists(select 1 from shop_order where id = $1) as "found!""#, order.uuid())
                .fetch_one(&self.sql)
                .await
        })
        .await
    }

    /// The payment of an order, if it was paid for.
    pub(crate) async fn find(&self, order: OrderId) -> Result<Option<Known>, DatabaseError> {
        let row = within(async {
            sqlx::query!("select reference, state, currency from payment where order_id = $1", order.uuid())
                .fetch_optional(&self.sql)
                .await
        });
        let known = row.await?.map(|row| {
            let (is_captured, is_voided) = (row.state == "captured", row.state == "voided");
            let currency = row.currency.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            Ok::<_, sqlx::Error>(Known { reference: row.reference, is_captured, is_voided, currency })
        });
        Ok(known.transpose()?)
    }

    /// The money was taken. What has another state by now keeps it.
    pub(crate) async fn captured(&self, order: OrderId) -> Result<(), DatabaseError> {
        self.to_state(order, "captured").await
    }

    /// The money was let go of.
    pub(crate) async fn voided(&self, order: OrderId) -> Result<(), DatabaseError> {
        self.to_state(order, "voided").await
    }

    /// It can never be taken: an operator must look at it.
    pub(crate) async fn failed(&self, order: OrderId) -> Result<(), DatabaseError> {
        self.to_state(order, "failed").await
    }

    async fn to_state(&self, order: OrderId, state: &str) -> Result<(), DatabaseError> {
        let changed = within(async {
            sqlx::query!(
                "update payment set state = $2, updated_at = now()
                 where order_id = $1 and (state = 'authorised' or (state = 'failed' and $2 = 'voided'))",
                order.uuid(),
                state
            )
            .execute(&self.sql)
            .await
        });
        changed.await.map(|_| ())
    }

    /// Payments to capture, the longest due first.
    pub(crate) async fn to_capture(&self, limit: i64) -> Result<Vec<Due>, DatabaseError> {
        let rows = within(async {
            sqlx::query!(
                "select order_id, reference, attempts from payment
                 where state = 'authorised' and due_at <= now() order by due_at limit $1",
                limit
            )
            .fetch_all(&self.sql)
            .await
        })
        .await?;
        let due = rows.into_iter();
        Ok(due.map(|row| Due { order: OrderId::new(row.order_id), reference: row.reference, attempts: row.attempts }).collect())
    }

    /// An attempt at a capture came to nothing: the next one later. `false`: it was the last.
    pub(crate) async fn capture_later(&self, due: &Due) -> Result<bool, DatabaseError> {
        if due.attempts + 1 >= MAX_ATTEMPTS {
            self.failed(due.order).await?;
            return Ok(false);
        }
        within(async {
            sqlx::query!(
                "update payment set attempts = attempts + 1, due_at = now() + make_interval(secs => $2)
                 where order_id = $1 and state = 'authorised'",
                due.order.uuid(),
                pause(due.attempts)
            )
            .execute(&self.sql)
            .await
        })
        .await?;
        Ok(true)
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

    /// Notes which order of the shopper holds stock from now on, and gives the one before.
    pub(crate) async fn swap_hold(&self, shopper: ShopperId, order: OrderId) -> Result<Option<OrderId>, DatabaseError> {
        let before = within(async {
            sqlx::query_scalar!(
                r#"with before as (select order_id from payment_hold where shopper_id = $1 for update),
                        noted as (insert into payment_hold (shopper_id, order_id) values ($1, $2)
                                  on conflict (shopper_id) do update set order_id = excluded.order_id, noted_at = now())
                   select order_id from before"#,
                shopper.uuid(),
                order.uuid()
            )
            .fetch_optional(&self.sql)
            .await
        });
        Ok(before.await?.filter(|before| *before != order.uuid()).map(OrderId::new))
    }
}
