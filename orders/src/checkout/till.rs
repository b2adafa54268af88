//! Takes the money of recorded orders, and gives it back.
//!
//! Owns: that nothing is taken for an order that is not recorded, or that was called off. Must not: decide when to try again.

use std::time::Duration;

use storefront_types::{Money, OrderId};
use uuid::Uuid;

use crate::{
    database::DatabaseError,
    order::LifeStore,
    payment::{Captured, Holds, PaymentError, PaymentStore, Payments, Recorded, Voided},
};

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

/// What came of taking money.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Captured,
    /// The order was called off: the money was let go of.
    Voided,
    /// It can never be taken. Noted for operators.
    Never,
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

/// Why money is not taken or given back yet; it is to be tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TillError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Payment(#[from] PaymentError),
    #[error("PostgreSQL does not have the order")]
    NotRecorded,
    #[error("it was paid through {0}, which is not the provider that is configured here")]
    OtherProvider(String),
}

impl Till {
    /// Lets go of an order's payment, or gives `amount` minor units of it back. `id` names the refund, so repeating it is safe. Of an order that
    /// was called off the whole payment is let go of where that is still possible.
    pub(crate) async fn give_back(&self, order: OrderId, id: Uuid, amount: i64) -> Result<GivenBack, TillError> {
        let Some(known) = self.store.find(order).await? else { return Ok(GivenBack::Nothing) };
        if known.is_voided {
            return Ok(GivenBack::Voided);
        }
        if known.provider != self.payments.name() {
            return Err(TillError::OtherProvider(known.provider));
        }
        let reference = known.reference.as_deref();
        // What was captured meanwhile is noted first, and a part cannot go back before the whole was taken.
        if !known.is_captured {
            match self.capture(order, reference).await? {
                Taken::Captured => {}
                Taken::Voided => return Ok(GivenBack::Voided),
                Taken::Never => return Ok(GivenBack::Nothing),
            }
        }
        self.payments.refund(order, reference, id, Money::new(amount, known.currency)).await?;
        Ok(GivenBack::Refunded)
    }

    /// Takes the money for a recorded order, or lets go of it when the order was called off, and notes it. Safe to repeat.
    pub(crate) async fn capture(&self, order: OrderId, reference: Option<&str>) -> Result<Taken, TillError> {
        match self.store.order(order).await?.ok_or(TillError::NotRecorded)? {
            Recorded::Cancelled => self.void(order, reference).await,
            Recorded::Stands => match self.payments.capture(order, reference).await? {
                Captured::Done => self.taken(order, reference).await,
                Captured::Never => self.never(order, reference).await,
            },
        }
    }

    async fn void(&self, order: OrderId, reference: Option<&str>) -> Result<Taken, TillError> {
        match self.payments.void(order, reference).await? {
            Voided::Done => {
                self.store.voided(order).await?;
                Ok(Taken::Voided)
            }
            Voided::AlreadyCaptured => self.taken(order, reference).await,
        }
    }

    async fn taken(&self, order: OrderId, reference: Option<&str>) -> Result<Taken, TillError> {
        // The order first: what is noted as captured is not looked at again.
        self.life.paid(order, reference).await?;
        self.store.captured(order).await?;
        Ok(Taken::Captured)
    }

    /// The provider has let go of the money: because the order was called off between the look and the capture, or by itself.
    async fn never(&self, order: OrderId, reference: Option<&str>) -> Result<Taken, TillError> {
        if self.store.order(order).await? == Some(Recorded::Cancelled) {
            return self.void(order, reference).await;
        }
        if self.store.failed(order, "the provider has let go of the money, or never had it").await? {
            tracing::error!(%order, "the payment of a recorded order can never be captured; look at GET /admin/v1/payments");
            metrics::counter!("orders_payments_failed_total", "reason" => "never").increment(1);
        }
        Ok(Taken::Never)
    }
}
