//! Runs the effects of a checkout that is paid for.

use std::time::Duration;

use inventory_api::{ClientError, ExtendRequest, LineRequest, OutcomeCode, ReserveRequest};
use storefront_types::{Money, OrderId, Quantity, Sku};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    Checkout, MAX_ATTEMPTS, Runner, attempt_id,
    outcomes::{of_authorisation, of_confirm, of_extend, of_found, of_release, of_reserve},
    saga::Event,
};
use crate::{
    database::DatabaseError,
    order::LifeStore,
    payment::{Authorisation, Captured, Charge, Holds, PaymentError, PaymentState, PaymentStore, Payments, Voided},
};

/// A hold lasts at most so many times its first time, however often it is extended.
const MAX_HOLD_TIMES: u32 = 5;

/// Between two questions about a payment that is pending.
const PENDING_PAUSE: Duration = Duration::from_millis(500);

/// What a checkout needs to be paid for.
#[derive(Clone)]
pub(crate) struct Till {
    pub(crate) payments: Payments,
    pub(crate) store: PaymentStore,
    pub(crate) holds: Holds,
    /// How long stock is held for a payment, before extensions.
    pub(crate) hold: Duration,
    pub(crate) life: LifeStore,
}

fn not_answered(error: &ClientError) -> Event {
    match error {
        ClientError::NotExecuted { .. } | ClientError::Untrusted { .. } => Event::InventoryAway,
        _ => Event::InventoryUnknown,
    }
}

pub(super) fn line((sku, quantity, _): &(Sku, u32, i64)) -> Option<LineRequest> {
    let quantity = Quantity::new(*quantity).ok()?;
    Some(LineRequest { sku: sku.clone(), quantity, locations: Vec::new(), may_split: true })
}

impl Runner {
    fn hold_ms(&self) -> u64 {
        u64::try_from(self.till.hold.as_millis()).unwrap_or(u64::MAX)
    }

    /// A newer checkout takes the place of what the same shopper held before. As far as it is known: what is not ends by itself.
    pub(super) async fn replace(&self, checkout: &Checkout) -> Event {
        for earlier in self.till.holds.swap(checkout.ticket.shopper, checkout.id).await {
            if self.release_hold(checkout, earlier).await {
                tracing::info!(order = %checkout.id, %earlier, "an earlier hold of the same shopper is replaced");
                let payments = self.till.payments.clone();
                // The reconciler voids what this does not.
                tokio::spawn(async move { payments.void(earlier, None).await });
            }
        }
        Event::Replaced
    }

    async fn release_hold(&self, checkout: &Checkout, order: OrderId) -> bool {
        for attempt in 0..MAX_ATTEMPTS {
            match self.inventory.release(&checkout.context, attempt_id(order, attempt)).await {
                Ok(outcome) if outcome.outcome == OutcomeCode::Expired => {}
                Ok(outcome) => return of_release(outcome.outcome) == Event::Released,
                Err(_) => return false,
            }
        }
        false
    }

    pub(super) async fn reserve(&self, checkout: &mut Checkout, attempt: u8) -> Event {
        let Some(memo) = &mut checkout.memo else { return Event::InventoryUnknown };
        memo.attempt = attempt;
        let request = ReserveRequest {
            id: attempt_id(checkout.id, attempt),
            lines: memo.lines.iter().filter_map(line).collect(),
            ttl_ms: self.hold_ms(),
            memo: serde_json::to_string(memo).ok(),
        };
        match self.inventory.reserve(&checkout.context, &request).await {
            Ok(outcome) => {
                let event = of_reserve(outcome.outcome, outcome.replayed);
                match event {
                    Event::Held => checkout.held_since = Some(OffsetDateTime::now_utc()),
                    Event::PurchaseRefused => (checkout.refused, checkout.refusal) = (outcome.lines, Some(outcome.outcome)),
                    _ => {}
                }
                event
            }
            Err(error) => not_answered(&error),
        }
    }

    pub(super) async fn authorise(&self, checkout: &mut Checkout) -> Event {
        let charge = checkout.memo.as_ref().and_then(|memo| {
            let paying = memo.payment.as_ref().filter(|paying| paying.provider == self.till.payments.name())?;
            Some(Charge { order: checkout.id, amount: memo.total()?, method: paying.method.clone() })
        });
        // A hold from a time with another provider: nobody can pay for it here.
        let Some(charge) = charge else { return Event::PaymentUnusable };
        let answered = self.till.payments.authorise(&charge).await;
        match &answered {
            Authorisation::Authorised { reference } => checkout.reference = Some(reference.clone()),
            Authorisation::Declined { reason } => checkout.declined = Some(reason.clone()),
            _ => {}
        }
        of_authorisation(&answered)
    }

    pub(super) async fn look_up_payment(&self, checkout: &mut Checkout) -> Event {
        let found = self.till.payments.find(checkout.id, checkout.reference.as_deref()).await.map(|found| {
            found.map(|found| {
                checkout.reference = Some(found.reference);
                if let PaymentState::Declined { reason } = &found.state {
                    checkout.declined = Some(reason.clone());
                }
                found.state
            })
        });
        of_found(&found)
    }

    /// Waits a moment too: what is pending now is asked about again afterwards.
    pub(super) async fn extend(&self, checkout: &Checkout, attempt: u8) -> Event {
        let held = checkout
            .held_since
            .map_or(Duration::ZERO, |since| Duration::try_from(OffsetDateTime::now_utc() - since).unwrap_or_default());
        if held + self.till.hold > self.till.hold * MAX_HOLD_TIMES {
            return Event::ExtensionCapped;
        }
        let request = ExtendRequest { ttl_ms: self.hold_ms() };
        let answered = self.inventory.extend(&checkout.context, attempt_id(checkout.id, attempt), &request).await;
        tokio::time::sleep(PENDING_PAUSE).await;
        answered.map_or_else(|error| not_answered(&error), |outcome| of_extend(outcome.outcome))
    }

    pub(super) async fn confirm(&self, checkout: &Checkout, attempt: u8) -> Event {
        let answered = self.inventory.confirm(&checkout.context, attempt_id(checkout.id, attempt)).await;
        answered.map_or_else(|error| not_answered(&error), |outcome| of_confirm(outcome.outcome))
    }

    pub(super) async fn release(&self, checkout: &Checkout, attempt: u8) -> Event {
        let answered = self.inventory.release(&checkout.context, attempt_id(checkout.id, attempt)).await;
        answered.map_or_else(|error| not_answered(&error), |outcome| of_release(outcome.outcome))
    }

    pub(super) async fn void(&self, checkout: &Checkout) -> Event {
        if let Err(error) = self.till.payments.void(checkout.id, checkout.reference.as_deref()).await {
            tracing::info!(%error, order = %checkout.id, "a payment is not voided yet; the reconciler will");
        }
        Event::VoidTried
    }

    /// Takes the money for a recorded order. What fails is tried again by the reconciler, from PostgreSQL.
    pub(super) async fn capture(&self, checkout: &Checkout) -> Event {
        if checkout.memo.as_ref().is_some_and(|memo| memo.payment.is_some()) {
            self.till.capture(checkout.id, checkout.reference.as_deref()).await;
        }
        Event::CaptureTried
    }
}

/// What came of giving money back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenBack {
    /// Nothing was paid.
    Nothing,
    /// The authorisation was let go of.
    Voided,
    Refunded,
}

/// Why money is not given back yet; it is to be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GiveBackError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Payment(#[from] PaymentError),
    #[error("a part can go back when the whole is captured, which is not done yet")]
    NotCaptured,
}

impl Till {
    /// Lets go of an order's payment, or gives `amount` minor units of it back. `id` names the refund, so repeating it is safe; `whole`:
    /// all of the order goes back.
    pub(crate) async fn give_back(&self, order: OrderId, id: Uuid, amount: i64, whole: bool) -> Result<GivenBack, GiveBackError> {
        let Some(known) = self.store.find(order).await? else { return Ok(GivenBack::Nothing) };
        let reference = known.reference.as_deref();
        if known.is_voided {
            return Ok(GivenBack::Voided);
        }
        if !known.is_captured && whole && self.payments.void(order, reference).await? == Voided::Done {
            self.store.voided(order).await?;
            return Ok(GivenBack::Voided);
        }
        // What was captured meanwhile is noted first, and a part cannot go back before.
        if !known.is_captured && !self.capture(order, reference).await {
            return Err(GiveBackError::NotCaptured);
        }
        self.payments.refund(order, reference, id, Money::new(amount, known.currency)).await?;
        Ok(GivenBack::Refunded)
    }

    /// Takes the money for a recorded order and notes it. `false`: not yet.
    pub(crate) async fn capture(&self, order: OrderId, reference: Option<&str>) -> bool {
        let done = match self.payments.capture(order, reference).await {
            // The order first: what is noted as captured is not looked at again.
            Ok(Captured::Done) => match self.life.paid(order, reference).await {
                Ok(()) => self.store.captured(order).await,
                Err(error) => Err(error),
            },
            Ok(Captured::Never) | Err(PaymentError::Refused(_)) => {
                tracing::error!(%order, "the payment of a recorded order cannot be captured; an operator must look at it");
                metrics::counter!("orders_payments_failed_total").increment(1);
                self.store.failed(order).await.map(|_| ())
            }
            Err(error) => {
                tracing::info!(%error, %order, "a payment is not captured yet");
                return false;
            }
        };
        done.inspect_err(|error| tracing::info!(%error, %order, "a capture is not noted yet")).is_ok()
    }
}
