//! A consumer of events: settles the cart of an order that was placed, where the edge died before it did.
//!
//! Events come at least once and, where one is sent again, late. Doing it twice is harmless, because a cart is emptied only if it still has the
//! version that was bought.

use std::time::Duration;

use futures_util::future::join_all;
use redis::{
    AsyncCommands, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
    streams::{StreamAutoClaimReply, StreamId, StreamReadOptions, StreamReadReply},
};
use storefront_types::Region;
use time::OffsetDateTime;

use crate::{
    cart::{CartError, Carts},
    outbox::{ORDER_PLACED, OrderPlaced, Received, ReceivedKind, STREAM},
};

/// Each event is read by one instance of the region.
const GROUP: &str = "carts";

/// Events of one read.
const BATCH: usize = 100;

/// Longest wait of one read for something new.
const BLOCK: Duration = Duration::from_secs(2);

/// The edge settles the cart itself, some milliseconds after the order: two at once would make the carts' copies doubtful.
const GRACE: Duration = Duration::from_secs(3);

/// What an instance took and did not finish for so long, another one takes over. Longer than the grace and a slow batch.
const ABANDONED: Duration = Duration::from_secs(30);

/// After a failure, and between two looks for abandoned events.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Follower {
    redis: ConnectionManager,
    carts: Carts,
    home: Region,
    /// Of this process in the group.
    name: String,
}

#[derive(Debug, thiserror::Error)]
enum FollowError {
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
    #[error(transparent)]
    Cart(#[from] CartError),
}

impl Follower {
    pub(crate) fn new(url: &str, carts: Carts, home: Region) -> anyhow::Result<Self> {
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(2 * BLOCK))
            .set_connection_timeout(Some(BLOCK))
            .set_number_of_retries(0);
        let redis = ConnectionManager::new_lazy_with_config(redis::Client::open(url)?, config)?;
        let name = format!("{home}-{}", uuid::Uuid::new_v4());
        Ok(Self { redis, carts, home, name })
    }

    pub(crate) async fn run(mut self) {
        let mut is_well = true;
        loop {
            let Err(error) = self.follow(&mut is_well).await;
            match std::mem::replace(&mut is_well, false) {
                true => tracing::warn!(%error, "orders placed are not heard of; tried again until it works"),
                false => tracing::debug!(%error, "orders placed are not heard of"),
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    async fn follow(&mut self, is_well: &mut bool) -> Result<std::convert::Infallible, FollowError> {
        self.join().await?;
        loop {
            let abandoned = self.abandoned().await?;
            self.settle_all(&abandoned).await?;
            let options = StreamReadOptions::default()
                .group(GROUP, &self.name)
                .count(BATCH)
                .block(usize::try_from(BLOCK.as_millis()).unwrap_or(usize::MAX));
            let read: Option<StreamReadReply> = self.redis.xread_options(&[STREAM], &[">"], &options).await?;
            *is_well = true;
            let new: Vec<StreamId> = read.into_iter().flat_map(|read| read.keys).flat_map(|key| key.ids).collect();
            self.settle_all(&new).await?;
        }
    }

    /// Makes the group if it is not there, from the oldest event on. A Redis that lost it tells all again, which is harmless.
    async fn join(&mut self) -> Result<(), FollowError> {
        let made: Result<(), RedisError> = self.redis.xgroup_create_mkstream(STREAM, GROUP, "0").await;
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn abandoned(&mut self) -> Result<Vec<StreamId>, FollowError> {
        let idle_ms = u64::try_from(ABANDONED.as_millis()).unwrap_or(u64::MAX);
        let taken: StreamAutoClaimReply = redis::cmd("XAUTOCLAIM")
            .arg(STREAM)
            .arg(GROUP)
            .arg(&self.name)
            .arg(idle_ms)
            .arg("0")
            .arg("COUNT")
            .arg(BATCH)
            .query_async(&mut self.redis)
            .await?;
        Ok(taken.claimed)
    }

    /// Settles all at once, and acknowledges what is settled. What fails stays with this instance, and is taken up as abandoned.
    async fn settle_all(&mut self, events: &[StreamId]) -> Result<(), FollowError> {
        if events.is_empty() {
            return Ok(());
        }
        let settled = join_all(events.iter().map(|event| self.settle(event))).await;
        let done: Vec<&str> =
            events.iter().zip(&settled).filter(|(_, settled)| settled.is_ok()).map(|(event, _)| event.id.as_str()).collect();
        if !done.is_empty() {
            let _: i64 = self.redis.clone().xack(STREAM, GROUP, &done).await?;
        }
        Ok(settled.into_iter().collect::<Result<(), CartError>>()?)
    }

    async fn settle(&self, event: &StreamId) -> Result<(), CartError> {
        let text: Option<String> = event.get("event");
        let placed = match text.as_deref().map(placed) {
            Some(Ok(Some(placed))) => placed,
            Some(Ok(None)) => return Ok(()),
            Some(Err(error)) => {
                tracing::warn!(%error, entry = event.id, "an event cannot be read; it is passed over");
                return Ok(());
            }
            None => {
                tracing::warn!(entry = event.id, "an entry of the stream is no event; it is passed over");
                return Ok(());
            }
        };
        let Some(cart) = placed.data.cart.as_ref().filter(|cart| cart.home == self.home) else { return Ok(()) };
        if let Ok(wait) = Duration::try_from(placed.time + GRACE - OffsetDateTime::now_utc()) {
            tokio::time::sleep(wait.min(GRACE)).await;
        }
        self.carts.settle(placed.data.shopper_id, cart.version, Some(placed.data.order_id)).await?;
        metrics::counter!("orders_carts_followed_total").increment(1);
        Ok(())
    }
}

/// The event, if it is one of an order placed.
fn placed(text: &str) -> Result<Option<Received<OrderPlaced>>, serde_json::Error> {
    let ReceivedKind { kind } = serde_json::from_str(text)?;
    if kind == ORDER_PLACED { serde_json::from_str(text).map(Some) } else { Ok(None) }
}
