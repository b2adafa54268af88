//! Runs the effects of the saga.

use std::time::Duration;

use inventory_api::{
    ClientError, InventoryClient, MAX_MEMO_BYTES, OutcomeCode, OutcomeLine, PurchaseRequest, Reservation, ReservationState,
};
use orders_api::{CheckoutRequest, Order, OrderStatus};
use storefront_types::{CallContext, IdempotencyKey, OrderId, ReservationId};
use time::OffsetDateTime;

use super::{
    Acknowledger, Memo, Ticket, Till, attempt_id,
    memo::{self, Paying},
    outcomes::{of_hold, of_purchase},
    paying::line,
    quote::{self, Repriced, Unsold},
    saga::{self, Answer, Effect, Event, Plan},
};
use crate::{
    cart::StoredLine,
    database::DatabaseError,
    fault,
    order::{OrderStore, Recorded},
    prices::Catalog,
};

#[derive(Clone)]
pub(crate) struct Runner {
    pub(crate) store: OrderStore,
    pub(crate) inventory: InventoryClient,
    pub(crate) catalog: Catalog,
    pub(crate) acknowledger: Acknowledger,
    pub(crate) max_price_age: Duration,
    pub(crate) till: Till,
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
    /// The order's confirmed reservation.
    reservation: ReservationId,
    /// When the hold began.
    pub(super) held_since: Option<OffsetDateTime>,
    /// The provider's reference of the payment.
    pub(crate) reference: Option<String>,
    /// Why the provider refused.
    pub(crate) declined: Option<String>,
    /// What PostgreSQL said of the order while the cart was looked at, not used yet.
    pub(crate) looked_up: Option<Result<Option<Recorded>, DatabaseError>>,
    /// The cart was emptied when the order was recorded.
    pub(crate) emptied: bool,
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
            reservation: id.into(),
            held_since: None,
            reference: None,
            declined: None,
            looked_up: None,
            emptied: false,
        }
    }

    /// The checkout that a hold was made for, without whoever asked for it.
    pub(crate) fn of_hold(id: OrderId, memo: Memo, context: CallContext) -> Self {
        let ticket = Ticket {
            shopper: memo.shopper,
            cart_version: 0,
            is_recorded: false,
            is_copied: false,
            home: None,
            lines: Vec::new(),
            order: None,
            was_bought: false,
            expires_at_s: 0,
        };
        let payment_method = memo.payment.as_ref().map(|paying| paying.method.clone());
        let request = CheckoutRequest { delivery_address: memo.address.clone(), payment_method };
        Self { memo: Some(memo.clone()), ..Self::new(memo.key, ticket, request, context) }.with_id(id)
    }

    fn with_id(self, id: OrderId) -> Self {
        Self { id, reservation: id.into(), ..self }
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

    fn is_for(&self, memo: &Memo) -> bool {
        let lines: Vec<_> = memo.lines.iter().map(|(sku, quantity, _)| (sku.clone(), *quantity)).collect();
        self.same(&memo.fingerprint, &lines)
    }
}

impl Runner {
    /// The same for a caller that waits so long: the inventory is asked for no longer than leaves time to say what came of it.
    pub(crate) fn within(self, left: Duration) -> Self {
        let call = (left * 9 / 10).min(inventory_api::DEFAULT_DEADLINE);
        let till = Till { payments: self.till.payments.clone().within(left), ..self.till };
        Self { inventory: self.inventory.with_deadline(call), till, ..self }
    }

    /// Runs a checkout to its end. May be run twice, anywhere, at once: the order id is one.
    pub(crate) async fn run(&self, checkout: &mut Checkout) -> Answer {
        let plan = Plan { empty: checkout.ticket.lines.is_empty(), pays: self.till.payments.are_taken() };
        self.drive(saga::begin(plan), checkout).await
    }

    /// Goes on with a checkout whose hold stands and whose instance is gone, if it was paid for.
    pub(crate) async fn recover(&self, checkout: &mut Checkout, attempt: u8) -> Answer {
        self.drive(saga::recover(attempt), checkout).await
    }

    async fn drive(&self, first: (saga::State, Effect), checkout: &mut Checkout) -> Answer {
        let (mut state, mut effect) = first;
        loop {
            let event = match effect {
                Effect::Answer(answer) => return answer,
                Effect::LookUpOrder => self.look_up_order(checkout).await,
                Effect::LookUpReservation { attempt } => self.look_up_reservation(checkout, attempt).await,
                Effect::LookUpPayment => self.look_up_payment(checkout).await,
                Effect::Price => self.price(checkout).await,
                Effect::Purchase => self.purchase(checkout).await,
                Effect::Replace => self.replace(checkout).await,
                Effect::Reserve { attempt } => self.reserve(checkout, attempt).await,
                Effect::Close { attempt } => self.who_closed(checkout, attempt).await,
                Effect::Authorise => self.authorise(checkout).await,
                Effect::Extend { attempt } => self.extend(checkout, attempt).await,
                Effect::Confirm { attempt } => {
                    checkout.reservation = attempt_id(checkout.id, attempt);
                    self.confirm(checkout, attempt).await
                }
                Effect::Record => self.record(checkout).await,
                Effect::Capture => self.capture(checkout).await,
                Effect::Acknowledge => {
                    if checkout.memo.is_some() {
                        self.acknowledger.recorded(checkout.reservation);
                    }
                    Event::Acknowledged
                }
                Effect::Release { attempt } => self.release(checkout, attempt).await,
                Effect::Void => self.void(checkout).await,
            };
            fault::after(effect.name());
            tracing::debug!(order = %checkout.id, ?state, ?event, "checkout");
            (state, effect) = saga::next(state, event);
        }
    }

    async fn look_up_order(&self, checkout: &mut Checkout) -> Event {
        let found = match checkout.looked_up.take() {
            Some(found) => found,
            None => self.store.find(checkout.id, checkout.ticket.shopper).await,
        };
        match found {
            Ok(Some(Recorded { order, fingerprint })) => {
                let lines: Vec<_> = order.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect();
                let same = checkout.same(&fingerprint, &lines);
                checkout.known = Some(order);
                Event::OrderFound { same }
            }
            Ok(None) => Event::OrderNotFound,
            Err(error) => {
                // During an outage, which is told of once, this is every checkout.
                tracing::debug!(%error, "PostgreSQL cannot say whether it has the order");
                self.unless_forgotten(checkout).await
            }
        }
    }

    /// The inventory forgets an order two days after PostgreSQL got it. A key that is known to have made an order must not make another one then:
    /// only PostgreSQL can tell what it was.
    async fn unless_forgotten(&self, checkout: &Checkout) -> Event {
        if !checkout.ticket.was_bought {
            return Event::OrderUnknown;
        }
        match self.inventory.reservation(&checkout.context, checkout.id.into()).await {
            Ok(Some(_)) => Event::OrderUnknown,
            Ok(None) | Err(_) => Event::ReservationRecorded,
        }
    }

    async fn look_up_reservation(&self, checkout: &mut Checkout, attempt: u8) -> Event {
        checkout.reservation = attempt_id(checkout.id, attempt);
        match self.inventory.reservation(&checkout.context, checkout.reservation).await {
            Ok(Some(found)) if found.state == ReservationState::Confirmed => match memo_of(&found) {
                Some(memo) => {
                    let same = checkout.is_for(&memo);
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
            Ok(found) => {
                let memo = found.as_ref().and_then(memo_of);
                let same = memo.as_ref().map(|memo| checkout.is_for(memo));
                checkout.held_since = found.as_ref().and_then(|found| Some(found.changes.first()?.at));
                // An ended hold has no memo: what was priced for this run stays.
                checkout.memo = memo.or(checkout.memo.take());
                of_hold(found.map(|found| found.state), same)
            }
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
        let mut memo = Memo {
            shopper: checkout.ticket.shopper,
            key: checkout.key.clone(),
            fingerprint: memo::fingerprint(&checkout.request),
            currency: quoted.currency,
            address: checkout.request.delivery_address.clone(),
            lines: quoted.lines,
            placed_at_ms: i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or_default(),
            cart: checkout.ticket.home.clone().map(|home| (home, checkout.ticket.cart_version)),
            cart_is_recorded: checkout.ticket.is_recorded,
            payment: self.paying(&checkout.request),
            attempt: 0,
        };
        let costs_nothing = memo.total().is_some_and(|total| total.amount() == 0);
        if costs_nothing {
            memo.payment = None;
        } else if self.till.payments.are_taken() && memo.payment.is_none() {
            return Event::MethodMissing;
        }
        if serde_json::to_string(&memo).map_or(usize::MAX, |text| text.len()) > MAX_MEMO_BYTES {
            return Event::TooLarge;
        }
        checkout.memo = Some(memo);
        if costs_nothing { Event::PricedAtNothing } else { Event::Priced }
    }

    fn paying(&self, request: &CheckoutRequest) -> Option<Paying> {
        let method = request.payment_method.clone().filter(|_| self.till.payments.are_taken())?;
        Some(Paying { provider: self.till.payments.name().to_owned(), method })
    }

    async fn purchase(&self, checkout: &mut Checkout) -> Event {
        let Some(memo) = &checkout.memo else { return Event::InventoryUnknown };
        let request = PurchaseRequest {
            id: ReservationId::from(checkout.id),
            lines: memo.lines.iter().filter_map(line).collect(),
            memo: serde_json::to_string(memo).ok(),
        };
        match self.inventory.purchase(&checkout.context, &request).await {
            Ok(outcome) => {
                let event = of_purchase(outcome.outcome, outcome.replayed);
                if event == Event::PurchaseRefused {
                    (checkout.refused, checkout.refusal) = (outcome.lines, Some(outcome.outcome));
                }
                event
            }
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
        match self.store.record(checkout.id, memo, checkout.reference.as_deref()).await {
            Ok(emptied) => {
                checkout.emptied = emptied;
                Event::Recorded
            }
            Err(error) => {
                match error {
                    DatabaseError::Away => tracing::debug!(order = %checkout.id, "accepted, and not yet recorded"),
                    error => tracing::warn!(%error, order = %checkout.id, "accepted, and not yet recorded"),
                }
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
