//! Runs the effects of the saga.

use std::time::Duration;

use catalog_api::CatalogClient;
use inventory_api::{
    ClientError, InventoryClient, LineRequest, MAX_MEMO_BYTES, OutcomeCode, OutcomeLine, PurchaseRequest, Reservation,
    ReservationState,
};
use orders_api::{CheckoutRequest, Order, OrderStatus};
use storefront_types::{CallContext, IdempotencyKey, OrderId, Quantity, ReservationId};
use time::OffsetDateTime;

use super::{
    Acknowledger, Memo, Ticket, memo,
    quote::{self, Repriced, Unsold},
    saga::{self, Answer, Effect, Event},
};
use crate::{
    cart::StoredLine,
    order::{OrderStore, Recorded},
};

#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) store: OrderStore,
    pub(crate) inventory: InventoryClient,
    pub(crate) catalog: CatalogClient,
    pub(crate) acknowledger: Acknowledger,
    pub(crate) max_price_age: Duration,
}

/// One checkout under way, with what its steps found.
pub(crate) struct Checkout {
    pub(crate) id: OrderId,
    pub(crate) key: IdempotencyKey,
    pub(crate) ticket: Ticket,
    pub(crate) request: CheckoutRequest,
    pub(crate) context: CallContext,
    pub(crate) memo: Option<Memo>,
    /// The order that the key made before.
    pub(crate) known: Option<Order>,
    /// What the inventory or the catalog refused.
    pub(crate) refused: Vec<OutcomeLine>,
    pub(crate) refusal: Option<OutcomeCode>,
    /// Lines that cost otherwise than was shown.
    pub(crate) repriced: Vec<Repriced>,
}

impl Checkout {
    pub(crate) fn new(key: IdempotencyKey, ticket: Ticket, request: CheckoutRequest, context: CallContext) -> Self {
        let id = memo::order_id(ticket.shopper, &key);
        Self {
            id,
            key,
            ticket,
            request,
            context,
            memo: None,
            known: None,
            refused: Vec::new(),
            refusal: None,
            repriced: Vec::new(),
        }
    }

    /// The order, as far as it is known.
    pub(crate) fn order(&self, status: OrderStatus) -> Option<Order> {
        self.known.clone().or_else(|| Some(self.memo.as_ref()?.order(self.id, status)))
    }

    /// Whether an order found under the key is the one asked for: the same content, and the same lines unless the cart was emptied since.
    fn same(&self, fingerprint: &str, lines: &[(storefront_types::Sku, u32)]) -> bool {
        let mut asked: Vec<_> = self.ticket.lines.iter().map(|line| (&line.sku, line.quantity)).collect();
        let mut bought: Vec<_> = lines.iter().map(|(sku, quantity)| (sku, *quantity)).collect();
        asked.sort_unstable();
        bought.sort_unstable();
        fingerprint == memo::fingerprint(&self.request) && (asked.is_empty() || asked == bought)
    }
}

impl Runner {
    /// The same for a caller that waits so long: the inventory is asked for no longer than leaves time to say what came of it.
    pub(crate) fn within(self, left: Duration) -> Self {
        let call = (left * 9 / 10).min(inventory_api::DEFAULT_DEADLINE);
        Self { inventory: self.inventory.with_deadline(call), ..self }
    }

    /// Runs a checkout to its end. May be run twice, anywhere, at once: the order id is one.
    pub(crate) async fn run(&self, checkout: &mut Checkout) -> Answer {
        let (mut state, mut effect) = saga::begin(checkout.ticket.lines.is_empty());
        loop {
            let event = match effect {
                Effect::Answer(answer) => return answer,
                Effect::LookUpOrder => self.look_up_order(checkout).await,
                Effect::LookUpReservation => self.look_up_reservation(checkout).await,
                Effect::Price => self.price(checkout).await,
                Effect::Purchase => self.purchase(checkout).await,
                Effect::Record => self.record(checkout).await,
            };
            tracing::debug!(order = %checkout.id, ?state, ?event, "checkout");
            (state, effect) = saga::next(state, event);
        }
    }

    async fn look_up_order(&self, checkout: &mut Checkout) -> Event {
        match self.store.find(checkout.id, checkout.ticket.shopper).await {
            Ok(Some(Recorded { order, fingerprint })) => {
                let lines: Vec<_> = order.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect();
                let same = checkout.same(&fingerprint, &lines);
                checkout.known = Some(order);
                Event::OrderFound { same }
            }
            Ok(None) => Event::OrderNotFound,
            Err(error) => {
                tracing::info!(%error, "PostgreSQL cannot say whether it has the order");
                Event::OrderUnknown
            }
        }
    }

    async fn look_up_reservation(&self, checkout: &mut Checkout) -> Event {
        match self.inventory.reservation(&checkout.context, checkout.id.into()).await {
            Ok(Some(found)) if found.state == ReservationState::Confirmed => match memo_of(&found) {
                Some(memo) => {
                    let lines: Vec<_> = memo.lines.iter().map(|(sku, quantity, _)| (sku.clone(), *quantity)).collect();
                    let same = checkout.same(&memo.fingerprint, &lines);
                    checkout.memo = Some(memo);
                    Event::ReservationFound { same }
                }
                None => Event::InventoryUnknown,
            },
            // Acknowledged in between: PostgreSQL has it.
            Ok(Some(found)) if found.state == ReservationState::Acknowledged => match self.look_up_order(checkout).await {
                Event::OrderFound { same } => {
                    checkout.memo = None;
                    if same { Event::ReservationFound { same: true } } else { Event::OrderFound { same: false } }
                }
                _ => Event::ReservationRecorded,
            },
            Ok(_) => Event::ReservationNotFound,
            Err(ClientError::NotExecuted { .. } | ClientError::Untrusted { .. }) => Event::InventoryAway,
            Err(_) => Event::InventoryUnknown,
        }
    }

    async fn price(&self, checkout: &mut Checkout) -> Event {
        let skus: Vec<_> = checkout.ticket.lines.iter().map(|line| line.sku.clone()).collect();
        let prices = match self.catalog.prices(&checkout.context, &skus).await {
            Ok(prices) if OffsetDateTime::now_utc() - prices.as_of <= self.max_price_age => prices,
            Ok(prices) => {
                tracing::warn!(as_of = %prices.as_of, "prices are too old to sell at");
                return Event::CatalogAway;
            }
            Err(error) => {
                tracing::warn!(%error, "no prices");
                return Event::CatalogAway;
            }
        };
        let quoted = match quote::quote(&checkout.ticket.lines, &prices.quotes) {
            Ok(quoted) => quoted,
            Err(Unsold::NoMore(lines)) => {
                checkout.refused = lines.iter().map(sold_no_more).collect();
                return Event::Unpriced;
            }
            Err(Unsold::Repriced(lines)) => {
                checkout.repriced = lines;
                return Event::PriceChanged;
            }
            Err(Unsold::MixedCurrencies) => return Event::MixedCurrencies,
            Err(Unsold::TooMuch) => return Event::TooLarge,
        };
        let memo = Memo {
            shopper: checkout.ticket.shopper,
            key: checkout.key.clone(),
            fingerprint: memo::fingerprint(&checkout.request),
            currency: quoted.currency,
            address: checkout.request.delivery_address.clone(),
            lines: quoted.lines,
            placed_at_ms: i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
            cart: checkout.ticket.home.clone().map(|home| (home, checkout.ticket.cart_version)),
        };
        if serde_json::to_string(&memo).map_or(usize::MAX, |text| text.len()) > MAX_MEMO_BYTES {
            return Event::TooLarge;
        }
        checkout.memo = Some(memo);
        Event::Priced
    }

    async fn purchase(&self, checkout: &mut Checkout) -> Event {
        let Some(memo) = &checkout.memo else { return Event::InventoryUnknown };
        let line = |(sku, quantity, _): &(storefront_types::Sku, u32, i64)| {
            let quantity = Quantity::new(*quantity).ok()?;
            Some(LineRequest { sku: sku.clone(), quantity, locations: Vec::new(), may_split: true })
        };
        let request = PurchaseRequest {
            id: ReservationId::from(checkout.id),
            lines: memo.lines.iter().filter_map(line).collect(),
            memo: serde_json::to_string(memo).ok(),
        };
        match self.inventory.purchase(&checkout.context, &request).await {
            Ok(outcome) => match outcome.outcome {
                OutcomeCode::Ok if outcome.replayed => Event::PurchasedBefore,
                OutcomeCode::Ok => Event::Purchased,
                OutcomeCode::ConflictingDuplicate => Event::DecidedOtherwise,
                refusal => {
                    (checkout.refused, checkout.refusal) = (outcome.lines, Some(refusal));
                    Event::PurchaseRefused
                }
            },
            Err(ClientError::NotExecuted { .. } | ClientError::Untrusted { .. }) => Event::InventoryAway,
            Err(error) => {
                tracing::warn!(%error, order = %checkout.id, "the purchase has no known outcome");
                Event::InventoryUnknown
            }
        }
    }

    async fn record(&self, checkout: &mut Checkout) -> Event {
        // Found in PostgreSQL on the way: nothing is left to record.
        let Some(memo) = &checkout.memo else { return Event::Recorded };
        match self.store.record(checkout.id, memo).await {
            Ok(()) => {
                self.acknowledger.recorded(checkout.id);
                Event::Recorded
            }
            Err(error) => {
                tracing::warn!(%error, order = %checkout.id, "accepted, and not yet recorded");
                Event::RecordingFailed
            }
        }
    }
}

/// As the inventory would say it of a SKU that it has nothing of.
fn sold_no_more(line: &StoredLine) -> OutcomeLine {
    let (sku, requested) = (line.sku.clone(), Some(u64::from(line.quantity)));
    OutcomeLine { sku, version: 0, allocations: Vec::new(), requested, available: Some(0) }
}

/// The memo of a reservation, if it is one of ours.
pub(crate) fn memo_of(reservation: &Reservation) -> Option<Memo> {
    serde_json::from_str(reservation.memo.as_deref()?).ok()
}
