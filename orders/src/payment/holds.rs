//! Which checkout of a shopper holds stock while it is paid for, so that the next one can replace it. In the region's Redis and in
//! PostgreSQL: either may be away. With both away, an earlier hold ends by itself.

use redis::aio::ConnectionManager;
use storefront_types::{OrderId, ShopperId};

use super::store::{PaymentStore, REMEMBER_HOLDS};

#[derive(Clone)]
pub(crate) struct Holds {
    pub(crate) store: PaymentStore,
    pub(crate) redis: ConnectionManager,
}

impl Holds {
    /// Notes the order that is about to hold stock, and gives those of the same shopper that did: at most two, one of each store.
    pub(crate) async fn swap(&self, shopper: ShopperId, order: OrderId) -> Vec<OrderId> {
        let (cached, stored) = tokio::join!(self.swap_in_redis(shopper, order), self.store.swap_hold(shopper, order));
        let stored = stored.unwrap_or_else(|error| {
            tracing::debug!(%error, "an earlier hold may not be known");
            None
        });
        let mut earlier: Vec<OrderId> = cached.into_iter().chain(stored).filter(|earlier| *earlier != order).collect();
        earlier.dedup();
        earlier
    }

    async fn swap_in_redis(&self, shopper: ShopperId, order: OrderId) -> Option<OrderId> {
        let mut redis = self.redis.clone();
        let mut set = redis::cmd("SET");
        set.arg(format!("payment-hold:{shopper}")).arg(order.to_string()).arg("EX").arg(REMEMBER_HOLDS.as_secs()).arg("GET");
        let before: Result<Option<String>, _> = set.query_async(&mut redis).await;
        before.ok().flatten()?.parse().ok()
    }
}
