//! What a checkout asks of a payment provider, whichever it is.
//!
//! An order has one payment. It is asked for under the order's id, so asking again finds it and never makes a second one.

use std::time::Duration;

use storefront_types::{Money, OrderId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{none, sandbox::Sandbox, stripe::Stripe};

/// Longest wait for one call of a provider. A card's bank takes one to three seconds.
pub(crate) const CALL: Duration = Duration::from_secs(5);

/// What is to be authorised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charge {
    pub(crate) order: OrderId,
    pub(crate) amount: Money,
    /// The provider's id of a card or the like.
    pub(crate) method: String,
}

/// What came of asking for an authorisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Authorisation {
    /// The money is set aside under the provider's reference.
    Authorised { reference: String },
    /// Final: another method is needed, under another key.
    Declined { reason: String },
    /// The provider decides later: ask again, or hear of it by webhook.
    Pending,
    /// There is a payment under this order that cannot pay for this: voided, refunded, or of another amount or method.
    Unusable,
    /// Certainly not asked for: try later.
    Away,
    /// Perhaps made: ask again, which finds it.
    Unknown,
}

/// Where a payment stands at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PaymentState {
    Pending,
    Authorised,
    Captured,
    Voided,
    Declined { reason: String },
}

/// A payment as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) reference: String,
    pub(crate) amount: Money,
    pub(crate) state: PaymentState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Captured {
    /// Now or before.
    Done,
    /// It can never be captured: voided, expired at the provider, or refused. An operator must look at it.
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Voided {
    /// Now or before, or there was nothing to void.
    Done,
    /// The money was taken already: refund it.
    AlreadyCaptured,
}

/// Why a call came to nothing, by what the caller can do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PaymentError {
    #[error("the payment provider was not reached: {0}")]
    Away(String),
    #[error("the payment provider gave no clear answer: {0}")]
    Unknown(String),
    /// Repeating it does not help.
    #[error("the payment provider refused: {0}")]
    Refused(String),
}

/// Orders with an authorisation that nobody captured or voided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Uncaptured {
    pub(crate) items: Vec<(OrderId, String)>,
    pub(crate) next_cursor: Option<String>,
}

/// The configured provider. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Payments {
    provider: Provider,
    call: Duration,
}

#[derive(Clone)]
pub(crate) enum Provider {
    None,
    Sandbox(Sandbox),
    Stripe(Stripe),
}

type Called<T> = Result<T, PaymentError>;

impl Payments {
    pub(crate) fn new(provider: Provider) -> Self {
        Self { provider, call: CALL }
    }

    /// The same for a caller that waits so long, and may have to ask three times.
    #[must_use]
    pub(crate) fn within(self, left: Duration) -> Self {
        Self { call: (left / 4).min(CALL), ..self }
    }

    /// Whether checkouts have to bring a payment method.
    pub(crate) fn are_taken(&self) -> bool {
        !matches!(self.provider, Provider::None)
    }

    /// As stored beside a payment and in an order's memo.
    pub(crate) fn name(&self) -> &'static str {
        match self.provider {
            Provider::None => none::NAME,
            Provider::Sandbox(_) => "sandbox",
            Provider::Stripe(_) => "stripe",
        }
    }

    /// Authorises, or finds what was authorised under this order before.
    pub(crate) async fn authorise(&self, charge: &Charge) -> Authorisation {
        let asked = async {
            match &self.provider {
                Provider::None => none::authorise(charge),
                Provider::Sandbox(sandbox) => sandbox.authorise(charge).await,
                Provider::Stripe(stripe) => stripe.authorise(charge).await,
            }
        };
        let answered = tokio::time::timeout(self.call, asked).await.unwrap_or(Authorisation::Unknown);
        let outcome = match &answered {
            Authorisation::Authorised { .. } => "authorised",
            Authorisation::Declined { .. } => "declined",
            Authorisation::Pending => "pending",
            Authorisation::Unusable => "unusable",
            Authorisation::Away => "away",
            Authorisation::Unknown => "unknown",
        };
        metrics::counter!("orders_payment_authorisations_total", "outcome" => outcome).increment(1);
        answered
    }

    /// The payment of an order; makes none. By its reference where that is known.
    pub(crate) async fn find(&self, order: OrderId, reference: Option<&str>) -> Called<Option<Found>> {
        self.bounded(async {
            match &self.provider {
                Provider::None => Ok(None),
                Provider::Sandbox(sandbox) => sandbox.find(order).await,
                Provider::Stripe(stripe) => stripe.find(order, reference).await,
            }
        })
        .await
    }

    /// Takes the money. Safe to repeat. Without a known reference the payment is looked for by its order.
    pub(crate) async fn capture(&self, order: OrderId, reference: Option<&str>) -> Called<Captured> {
        let reference = self.known_reference(order, reference).await?;
        self.bounded(async {
            match &self.provider {
                Provider::None => Ok(Captured::Never),
                Provider::Sandbox(sandbox) => sandbox.capture(order).await,
                Provider::Stripe(stripe) => stripe.capture(&reference).await,
            }
        })
        .await
    }

    /// Lets go of the money. Safe to repeat.
    pub(crate) async fn void(&self, order: OrderId, reference: Option<&str>) -> Called<Voided> {
        let Some(reference) = self.reference(order, reference).await? else { return Ok(Voided::Done) };
        self.bounded(async {
            match &self.provider {
                Provider::None => Ok(Voided::Done),
                Provider::Sandbox(sandbox) => sandbox.void(order).await,
                Provider::Stripe(stripe) => stripe.void(&reference).await,
            }
        })
        .await
    }

    /// Gives captured money back; `id` names the refund, so that repeating gives it once.
    pub(crate) async fn refund(&self, order: OrderId, reference: Option<&str>, id: Uuid, amount: Money) -> Called<()> {
        let reference = self.known_reference(order, reference).await?;
        self.bounded(async {
            match &self.provider {
                Provider::None => Err(PaymentError::Refused("this shop takes no payments".to_owned())),
                Provider::Sandbox(sandbox) => sandbox.refund(order, id, amount).await,
                Provider::Stripe(stripe) => stripe.refund(&reference, id, amount).await,
            }
        })
        .await
    }

    /// A page of authorisations made before a time and neither captured nor voided.
    pub(crate) async fn uncaptured(&self, before: OffsetDateTime, limit: u32, cursor: Option<&str>) -> Called<Uncaptured> {
        self.bounded(async {
            match &self.provider {
                Provider::None => Ok(Uncaptured::default()),
                Provider::Sandbox(sandbox) => sandbox.uncaptured(before, limit, cursor).await,
                Provider::Stripe(stripe) => stripe.uncaptured(before, limit, cursor).await,
            }
        })
        .await
    }

    async fn reference(&self, order: OrderId, known: Option<&str>) -> Called<Option<String>> {
        match known {
            Some(known) => Ok(Some(known.to_owned())),
            None => Ok(self.find(order, None).await?.map(|found| found.reference)),
        }
    }

    /// Of a payment that there is: one that is not found is not found yet.
    async fn known_reference(&self, order: OrderId, known: Option<&str>) -> Called<String> {
        let missing = || PaymentError::Unknown("the provider does not find the order's payment".to_owned());
        self.reference(order, known).await?.ok_or_else(missing)
    }

    async fn bounded<T>(&self, call: impl Future<Output = Called<T>>) -> Called<T> {
        let late = || PaymentError::Unknown(format!("no answer within {:?}", self.call));
        tokio::time::timeout(self.call, call).await.unwrap_or_else(|_| Err(late()))
    }
}
