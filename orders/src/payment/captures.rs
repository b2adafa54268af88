//! Whose turn it is to capture a payment, when it is tried again, and what is left to operators.

use std::time::Duration;

use orders_api::{PaymentPhase, PaymentSummary};
use storefront_types::{Money, OrderId, Page};
use time::OffsetDateTime;
use uuid::Uuid;

use super::store::PaymentStore;
use crate::database::{DatabaseError, within};

/// A payment is first looked at so long after it was recorded: its own checkout captures it at once, and needs two calls of 5 s at most.
pub(crate) const FIRST_LOOK: Duration = Duration::from_secs(10);

/// Nobody else tries a claimed payment for so long: twice its two or three calls of the provider, of 5 s each.
const LEASE: Duration = Duration::from_secs(30);

/// Pause after the first attempt that came to nothing; doubled with each, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
const LONGEST_PAUSE: Duration = Duration::from_secs(4 * 60 * 60);

/// Attempts before an operator is asked: the first nine pauses make 511 x 30 s = 4.3 hours, and 41 more of 4 hours make 6.8 days. A card's
/// authorisation lives seven days.
pub(crate) const MAX_ATTEMPTS: i32 = 51;

/// A payment that is to be captured, and that is ours for the length of a lease.
#[derive(Clone, Debug)]
pub(crate) struct Due {
    pub(crate) order: OrderId,
    pub(crate) reference: Option<String>,
    /// This one counted.
    pub(crate) attempts: i32,
}

/// After so many attempts that came to nothing.
fn pause(attempts: i32) -> Duration {
    let doubled = 1_u32 << (attempts - 1).clamp(0, 20);
    FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE)
}

/// What came of asking for another try.
#[derive(Clone, Debug)]
pub(crate) enum Retried {
    Due(PaymentSummary),
    /// It is over.
    Settled(PaymentPhase),
    NotFound,
}

struct Row {
    order_id: Uuid,
    provider: String,
    reference: Option<String>,
    state: String,
    amount: i64,
    currency: String,
    attempts: i32,
    last_error: Option<String>,
    created_at: OffsetDateTime,
    due_at: OffsetDateTime,
}

fn summary(row: Row) -> Result<PaymentSummary, sqlx::Error> {
    let currency = row.currency.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    let phase = PaymentPhase::parse(&row.state).ok_or_else(|| sqlx::Error::Decode(format!("state {}", row.state).into()))?;
    Ok(PaymentSummary {
        order_id: OrderId::new(row.order_id),
        provider: row.provider,
        reference: row.reference,
        state: phase,
        amount: Money::new(row.amount, currency),
        attempts: row.attempts,
        last_error: row.last_error,
        recorded_at: row.created_at,
        due_at: row.due_at,
    })
}

impl PaymentStore {
    /// Takes payments of a provider to capture, the longest due first. Whoever else looks meanwhile sees others.
    pub(crate) async fn claim(&self, provider: &str, limit: i64) -> Result<Vec<Due>, DatabaseError> {
        let rows = within(async {
            sqlx::query!(
                "update payment set attempts = attempts + 1, due_at = now() + make_interval(secs => $3)
                 where order_id in (select order_id from payment where provider = $1 and state = 'authorised' and due_at <= now()
                                    order by due_at limit $2 for update skip locked)
                 returning order_id, reference, attempts",
                provider,
                limit,
                LEASE.as_secs_f64()
            )
            .fetch_all(&self.sql)
            .await
        });
        let due = rows.await?.into_iter();
        Ok(due.map(|row| Due { order: OrderId::new(row.order_id), reference: row.reference, attempts: row.attempts }).collect())
    }

    /// An attempt came to nothing: the next one later. `false`: it was the last.
    pub(crate) async fn put_off(&self, due: &Due, why: &str) -> Result<bool, DatabaseError> {
        if due.attempts >= MAX_ATTEMPTS {
            return Ok(!self.failed(due.order, why).await?);
        }
        within(async {
            sqlx::query!(
                "update payment set last_error = $2, due_at = now() + make_interval(secs => $3)
                 where order_id = $1 and state = 'authorised'",
                due.order.uuid(),
                why,
                pause(due.attempts).as_secs_f64()
            )
            .execute(&self.sql)
            .await
        })
        .await?;
        Ok(true)
    }

    /// Payments that wait for their capture, or for an operator, oldest first, after a cursor.
    pub(crate) async fn list(
        &self,
        phase: PaymentPhase,
        after: Option<(OffsetDateTime, Uuid)>,
        limit: u32,
    ) -> Result<Page<PaymentSummary>, DatabaseError> {
        let (from, id) = after.unwrap_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()));
        let rows = within(async {
            sqlx::query_as!(
                Row,
                "select order_id, provider, reference, state, amount, currency, attempts, last_error, created_at, due_at from payment
                 where state = $1 and state in ('authorised', 'failed') and (created_at, order_id) > ($2, $3)
                 order by created_at, order_id limit $4",
                phase.as_str(),
                from,
                id,
                i64::from(limit) + 1
            )
            .fetch_all(&self.sql)
            .await
        });
        let rows = rows.await?;
        let more = rows.len() > limit as usize;
        let items: Vec<_> = rows.into_iter().take(limit as usize).map(summary).collect::<Result<_, _>>()?;
        let next_cursor = items.last().filter(|_| more);
        let next_cursor = next_cursor.map(|last| format!("{}.{}", last.recorded_at.unix_timestamp_nanos(), last.order_id));
        Ok(Page { items, next_cursor })
    }

    /// Back among those that are tried, at once and as often as a new one.
    pub(crate) async fn retry(&self, order: OrderId) -> Result<Retried, DatabaseError> {
        let row = within(async {
            sqlx::query_as!(
                Row,
                "update payment set state = 'authorised', attempts = 0, due_at = now(), updated_at = now()
                 where order_id = $1 and state in ('authorised', 'failed')
                 returning order_id, provider, reference, state, amount, currency, attempts, last_error, created_at, due_at",
                order.uuid()
            )
            .fetch_optional(&self.sql)
            .await
        });
        if let Some(row) = row.await? {
            return Ok(Retried::Due(summary(row)?));
        }
        let known = self.find(order).await?;
        Ok(known.map_or(Retried::NotFound, |known| {
            Retried::Settled(if known.is_voided { PaymentPhase::Voided } else { PaymentPhase::Captured })
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_tried_for_about_as_long_as_an_authorisation_lives() {
        let pauses: Vec<Duration> = (1..MAX_ATTEMPTS).map(pause).collect();
        assert_eq!((pauses[0], pauses[1]), (FIRST_PAUSE, FIRST_PAUSE * 2));
        assert!(pauses.is_sorted() && pauses.iter().all(|pause| *pause <= LONGEST_PAUSE));
        let days = pauses.iter().sum::<Duration>().as_secs_f64() / 86_400.0;
        assert!((6.5..7.5).contains(&days), "{days} days");
    }
}
