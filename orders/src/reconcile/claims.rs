//! Which orders this instance works on, so that instances share a backlog instead of all going through it.
//!
//! Owns: a connection whose session holds a lock for each claimed order; an instance that dies gives its claims back with it. Must not: be needed
//! for correctness. Recording an order twice changes nothing: two that claim the same hash of an id, or one that read its page before the other
//! was done, only work for nothing.

use std::time::Duration;

use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};
use storefront_types::ReservationId;
use tokio::time::timeout;
use uuid::Uuid;

use crate::database::NOTICED_WHEN_GONE;

/// Longest answer of PostgreSQL; then the connection is left, and its claims with it.
const ANSWER: Duration = Duration::from_secs(2);

/// Of all numbers that locks may have, those of orders that are reconciled (`pg_try_advisory_lock(int, int)`).
const KIND: i32 = 0x7265_636F;

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error("PostgreSQL: {0}")]
    Sql(#[from] sqlx::Error),
    #[error("PostgreSQL did not answer within {ANSWER:?}")]
    NoAnswer,
}

pub(crate) struct Claims {
    url: String,
    sql: Option<PgConnection>,
}

/// A clone has claimed nothing.
impl Clone for Claims {
    fn clone(&self) -> Self {
        Self::new(&self.url)
    }
}

async fn bounded<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, ClaimError> {
    Ok(timeout(ANSWER, work).await.map_err(|_| ClaimError::NoAnswer)??)
}

impl Claims {
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), sql: None }
    }

    /// Whether each of these is for this instance now, until `release`. After an error nothing is.
    pub(crate) async fn claim(&mut self, orders: &[ReservationId]) -> Result<Vec<bool>, ClaimError> {
        let mut sql = match self.sql.take() {
            Some(sql) => sql,
            None => bounded(connect(&self.url)).await?,
        };
        let ids: Vec<Uuid> = orders.iter().map(|order| order.uuid()).collect();
        let claimed = sqlx::query_scalar!(
            r#"select pg_try_advisory_lock($1, hashtext(id::text)) as "claimed!" from unnest($2::uuid[]) with ordinality as asked (id, nth)
               order by nth"#,
            KIND,
            &ids,
        );
        let claimed = bounded(claimed.fetch_all(&mut sql)).await?;
        self.sql = Some(sql);
        Ok(claimed)
    }

    /// Gives all claims back.
    pub(crate) async fn release(&mut self) -> Result<(), ClaimError> {
        let Some(mut sql) = self.sql.take() else { return Ok(()) };
        bounded(sqlx::query!("select pg_advisory_unlock_all()").execute(&mut sql)).await?;
        self.sql = Some(sql);
        Ok(())
    }
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    PgConnection::connect_with(&options.application_name("orders reconciler").options(NOTICED_WHEN_GONE)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn orders(ids: impl IntoIterator<Item = u128>) -> Vec<ReservationId> {
        ids.into_iter().map(|id| ReservationId::new(Uuid::from_u128(id))).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn no_two_instances_work_on_one_order_and_a_dead_one_gives_its_orders_back() {
        let url = tokio::task::spawn_blocking(backing_servers::postgres_url).await.unwrap();
        let (mut one, mut other) = (Claims::new(&url), Claims::new(&url));
        // Other tests may be at the same server: ids of this one's own.
        let own = Uuid::new_v4().as_u128() & !0xFFFF;
        assert_eq!(one.claim(&orders(own..own + 3)).await.unwrap(), [true; 3]);
        assert_eq!(other.claim(&orders(own + 1..own + 4)).await.unwrap(), [false, false, true]);
        one.release().await.unwrap();
        assert_eq!(other.claim(&orders(own..own + 1)).await.unwrap(), [true]);
        drop(other);
        // The server notices at its own time that a connection is gone.
        while one.claim(&orders(own..own + 4)).await.unwrap() != [true; 4] {
            one.release().await.unwrap();
            tokio::task::yield_now().await;
        }
    }
}
