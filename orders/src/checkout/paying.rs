//! Runs the effects of a checkout that is paid for.

use std::time::Duration;

use inventory_api::{ClientError, ExtendRequest, LineRequest, ReserveRequest};
use storefront_types::{Quantity, Sku};
use time::OffsetDateTime;

use super::{
    Checkout, Closed, Runner, attempt_id,
    outcomes::{of_authorisation, of_confirm, of_extend, of_found, of_release, of_reserve},
    saga::Event,
};
use crate::payment::{Authorisation, Charge, PaymentState};

/// A hold lasts at most so many times its first time, however often it is extended.
const MAX_HOLD_TIMES: u32 = 5;

/// Between two questions about a payment that is pending.
pub(super) const PENDING_PAUSE: Duration = Duration::from_millis(500);

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
            if self.end(&checkout.context, earlier).await {
                tracing::info!(order = %checkout.id, %earlier, "an earlier checkout of the same shopper is replaced");
                let payments = self.till.payments.clone();
                // The reconciler voids what this does not.
                tokio::spawn(async move { payments.void(earlier, None).await });
            }
        }
        Event::Replaced
    }

    /// Whether the place of an attempt was taken by a newer checkout, or by somebody who wanted stock.
    pub(super) async fn who_closed(&self, checkout: &Checkout, attempt: u8) -> Event {
        match self.close(&checkout.context, checkout.id, attempt).await {
            Ok(Closed::Done) => Event::AttemptClosed,
            Ok(Closed::Taken) => Event::DecidedOtherwise,
            Ok(Closed::NotNow) => Event::InventoryUnknown,
            Err(error) => not_answered(&error),
        }
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

    /// `None`: a hold from a time with another provider, which nobody can pay for here, or without a memo.
    fn charge(&self, checkout: &Checkout) -> Option<Charge> {
        let memo = checkout.memo.as_ref()?;
        let paying = memo.payment.as_ref().filter(|paying| paying.provider == self.till.payments.name())?;
        Some(Charge { order: checkout.id, amount: memo.total()?, method: paying.method.clone() })
    }

    pub(super) async fn authorise(&self, checkout: &mut Checkout) -> Event {
        let Some(charge) = self.charge(checkout) else { return Event::PaymentUnusable };
        let answered = self.till.payments.authorise(&charge).await;
        match &answered {
            Authorisation::Authorised { reference } => checkout.reference = Some(reference.clone()),
            Authorisation::Declined { reason } => checkout.declined = Some(reason.clone()),
            _ => {}
        }
        of_authorisation(&answered)
    }

    /// A payment of another amount, or through another provider than the order names, cannot pay for it.
    pub(super) async fn look_up_payment(&self, checkout: &mut Checkout) -> Event {
        let found = self.till.payments.find(checkout.id, checkout.reference.as_deref()).await;
        if let Ok(Some(found)) = &found {
            checkout.reference = Some(found.reference.clone());
            if let PaymentState::Declined { reason } = &found.state {
                checkout.declined = Some(reason.clone());
            }
        }
        of_found(&found, self.charge(checkout).map(|charge| charge.amount))
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
        if self.charge(checkout).is_some()
            && let Err(error) = self.till.capture(checkout.id, checkout.reference.as_deref()).await
        {
            tracing::info!(%error, order = %checkout.id, "a payment is not captured yet; the reconciler will");
        }
        Event::CaptureTried
    }
}
