//! Order history, one order, and the state of a checkout.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use inventory_api::ReservationState;
use orders_api::{CheckoutState, CheckoutStatus, Order, OrderStatus};
use serde::Deserialize;
use storefront_service::{Context, ProblemResponse, StrictQuery};
use storefront_types::{
    CallContext, DEFAULT_PAGE_LIMIT, IdempotencyKey, InvalidIdempotencyKey, MAX_PAGE_LIMIT, OrderId, Page, Problem, ProblemType,
    ShopperId,
};
use time::OffsetDateTime;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{Shop, invalid, private, unavailable};
use crate::checkout::{Ended, is_unpaid, memo_of, newest_attempt, order_id};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

type Answer = Result<Response, ProblemResponse>;

/// What is known under an order's id.
struct Standing {
    state: CheckoutState,
    order: Option<Order>,
    /// Its hold ended by itself.
    ended: Option<Ended>,
}

impl Standing {
    fn at(state: CheckoutState, order: Option<Order>) -> Self {
        Self { state, order, ended: None }
    }
}

impl Shop {
    /// An order from PostgreSQL, else from the inventory where it waits for its record; with where it stands. `None`: neither knows it
    /// (yet): a purchase may be under way, so this is no refusal.
    async fn find(&self, context: &CallContext, id: OrderId, shopper: ShopperId) -> Result<Option<Standing>, ProblemResponse> {
        let recorded = self.runner.store.find(id, shopper).await;
        if let Ok(Some(found)) = recorded {
            return Ok(Some(Standing::at(CheckoutState::Placed, Some(found.order))));
        }
        let reservation = newest_attempt(&self.runner.inventory, context, id).await.map_err(|error| {
            tracing::warn!(%error, "an order cannot be looked up");
            unavailable("orders cannot be looked up now")
        })?;
        let Some(reservation) = reservation else {
            return match recorded {
                Ok(_) => Ok(None),
                Err(_) => Err(unavailable("orders cannot be looked up now")),
            };
        };
        let memo = memo_of(&reservation).filter(|memo| memo.shopper == shopper);
        Ok(Some(match (reservation.state, memo) {
            (ReservationState::Confirmed, Some(memo)) => {
                Standing::at(CheckoutState::Accepted, Some(memo.order(id, OrderStatus::Accepted)))
            }
            (ReservationState::Reserved, Some(_)) => Standing::at(CheckoutState::Pending, None),
            // PostgreSQL has it: since between the two looks, or as somebody else's.
            (ReservationState::Acknowledged, _) => match self.runner.store.find(id, shopper).await {
                Ok(Some(found)) => Standing::at(CheckoutState::Placed, Some(found.order)),
                Ok(None) => Standing::at(CheckoutState::Rejected, None),
                Err(_) => return Err(unavailable("orders cannot be looked up now")),
            },
            _ => Standing { ended: Ended::of(id, &reservation), ..Standing::at(CheckoutState::Rejected, None) },
        }))
    }

    /// A run that waits for the payment of a hold that ended may reserve again: until it cannot any more, nothing is refused.
    async fn may_go_on(&self, order: OrderId, ended: &Ended) -> bool {
        if ended.is_over(OffsetDateTime::now_utc()) {
            return false;
        }
        match self.runner.till.payments.find(order, None).await {
            Ok(found) => !is_unpaid(found.map(|found| found.state).as_ref()),
            Err(_) => true,
        }
    }
}

impl Shop {
    /// The order with its parcels and refunds, if anything was done with it yet. Where they cannot be read now, without.
    async fn with_parcels(&self, order: Order) -> Order {
        if matches!(order.status, OrderStatus::Accepted | OrderStatus::Placed) {
            return order;
        }
        match self.life.read(order.id).await {
            Ok(Some(dossier)) => dossier.order(),
            _ => order,
        }
    }
}

/// One's own orders, newest first.
#[utoipa::path(get, path = orders_api::paths::ORDERS, params(PageQuery), responses((status = 200, body = Page<Order>)))]
pub(super) async fn history(
    State(shop): State<Arc<Shop>>,
    headers: HeaderMap,
    StrictQuery(query): StrictQuery<PageQuery>,
) -> Answer {
    let session = shop.known_session(&headers).await?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE_LIMIT);
    if !(1..=MAX_PAGE_LIMIT).contains(&limit) {
        return Err(invalid("limit", "between 1 and 200"));
    }
    let bad = || invalid("cursor", "give back the `next_cursor` of the page before");
    let after = query.cursor.as_deref().map(|text| cursor(text).ok_or_else(bad)).transpose()?;
    let page = shop.runner.store.history(session.shopper, after, limit).await.map_err(|error| {
        tracing::warn!(%error, "the order history cannot be read");
        unavailable("the order history cannot be read now")
    })?;
    Ok(private(StatusCode::OK, &page))
}

pub(super) fn cursor(text: &str) -> Option<(OffsetDateTime, Uuid)> {
    let (at, id) = text.split_once('.')?;
    Some((OffsetDateTime::from_unix_timestamp_nanos(at.parse().ok()?).ok()?, id.parse().ok()?))
}

/// One of one's own orders; accepted ones show before they are recorded.
#[utoipa::path(get, path = orders_api::paths::ORDER, params(("id" = String, Path)), responses((status = 200, body = Order)))]
pub(super) async fn one(
    State(shop): State<Arc<Shop>>,
    Context(context): Context,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answer {
    let session = shop.known_session(&headers).await?;
    let id: OrderId = id.parse().map_err(|_| invalid("id", "an order id is a UUID"))?;
    match shop.find(&context, id, session.shopper).await? {
        Some(Standing { order: Some(order), .. }) => Ok(private(StatusCode::OK, &shop.with_parcels(order).await)),
        _ => Err(ProblemType::NotFound.into()),
    }
}

/// Where one's own checkout stands, for a client whose answer was lost.
#[utoipa::path(get, path = orders_api::paths::CHECKOUT_STATE, params(("idempotency_key" = String, Path)),
    responses((status = 200, body = CheckoutStatus)))]
pub(super) async fn checkout_state(
    State(shop): State<Arc<Shop>>,
    Context(context): Context,
    headers: HeaderMap,
    Path(key): Path<String>,
) -> Answer {
    let session = shop.known_session(&headers).await?;
    let key: IdempotencyKey = key.parse().map_err(|error: InvalidIdempotencyKey| {
        ProblemResponse::from(Problem::new(ProblemType::InvalidIdempotencyKey).detail(error.to_string()))
    })?;
    let order_id = order_id(session.shopper, &key);
    let Some(Standing { mut state, order, ended }) = shop.find(&context, order_id, session.shopper).await? else {
        let detail = "nothing is known under this key yet; send the checkout again with the same key to learn its outcome";
        return Err(Problem::new(ProblemType::NotFound).detail(detail).into());
    };
    if let Some(ended) = ended
        && shop.may_go_on(order_id, &ended).await
    {
        state = CheckoutState::Pending;
    }
    Ok(private(StatusCode::OK, &CheckoutStatus { state, order_id, order }))
}
