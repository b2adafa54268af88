//! Brings payments to rest: captures what is recorded, and looks after authorisations that nobody
//! works on any more. Every pass is bounded; what it does not reach, a later one does.

use std::time::Duration;

use inventory_api::{ClientError, LineRequest, OutcomeCode, ReservationState, ReserveRequest};
use storefront_service::background_context;
use storefront_types::{CallContext, OrderId, Quantity, Sku};
use time::OffsetDateTime;

use super::{
    port::{PaymentError, Voided},
    settle::{Standing, Verdict, judge, judge_taken},
};
use crate::{
    checkout::{Answer, Checkout, Memo, Runner, attempt_id, memo_of},
    database::DatabaseError,
};

/// Between two passes.
const EVERY: Duration = Duration::from_secs(2);

/// Captures of one pass, one after the other: at 300 ms each, half a minute.
const PER_PASS: i64 = 100;

/// Authorisations of one page, and pages of one pass.
const PAGE: u32 = 50;
const PAGES: usize = 4;

/// What nobody sells. A hold of it is refused, and the refusal is remembered: no hold can have that id any more.
const NOTHING: &str = "(a checkout that was closed)";

/// The time to live that a closing hold asks for; it gets none.
const CLOSING_TTL_MS: u64 = inventory_api::MIN_TTL_MS;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Payment(#[from] PaymentError),
    #[error(transparent)]
    Inventory(#[from] ClientError),
}

/// When the provider made what is to be looked after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Now,
    /// Nobody begins its checkout any more.
    LongAgo,
}

#[derive(Clone)]
pub(crate) struct Rest {
    pub(crate) runner: Runner,
    /// An authorisation younger than this belongs to a checkout that is being run.
    pub(crate) older_than: Duration,
}

/// Until it is aborted.
pub(crate) async fn run(rest: Rest) {
    if !rest.runner.till.payments.are_taken() {
        return;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = rest.pass().await {
            tracing::debug!(%error, "payments wait to be brought to rest");
        }
    }
}

impl Rest {
    async fn pass(&self) -> Result<(), RestError> {
        let till = &self.runner.till;
        for due in till.store.to_capture(PER_PASS).await? {
            if !till.capture(due.order, due.reference.as_deref()).await {
                till.store.capture_later(&due).await?;
            }
        }
        till.store.forget_events().await?;
        self.authorisations().await
    }

    /// Authorisations without a recorded order lead to one, or are voided.
    async fn authorisations(&self) -> Result<(), RestError> {
        let before = OffsetDateTime::now_utc() - self.older_than;
        let mut cursor = None;
        for _ in 0..PAGES {
            let page = self.runner.till.payments.uncaptured(before, PAGE, cursor.as_deref()).await?;
            for (order, reference) in page.items {
                match self.attend(order, Some(&reference), Seen::LongAgo).await {
                    // Of this one alone: the others must not wait for it.
                    Err(RestError::Payment(PaymentError::Refused(reason))) => {
                        tracing::error!(%order, reason, "an authorisation cannot be brought to rest; an operator must look at it");
                    }
                    other => other?,
                }
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Looks at one order whose payment may be waiting. May be run twice, anywhere, at once.
    pub(crate) async fn attend(&self, order: OrderId, reference: Option<&str>, seen: Seen) -> Result<(), RestError> {
        // PostgreSQL first: what it has, the inventory may have forgotten.
        if self.runner.till.store.is_recorded(order).await? {
            return Ok(());
        }
        let context = background_context();
        let mut attempt = 0;
        loop {
            let (standing, memo) = self.look_at(&context, order, attempt).await?;
            match judge(attempt, standing) {
                Verdict::LookAt { attempt: next } => attempt = next,
                Verdict::Leave => return Ok(()),
                Verdict::Void => return self.void(order, reference).await,
                Verdict::Resume { attempt } => return self.resume(context, order, attempt, memo, reference).await,
                Verdict::Close { attempt } => {
                    // A webhook may be faster than its checkout.
                    if seen == Seen::Now {
                        return Ok(());
                    }
                    return self.close(&context, order, attempt, reference).await;
                }
            }
        }
    }

    async fn look_at(&self, context: &CallContext, order: OrderId, attempt: u8) -> Result<(Standing, Option<Memo>), RestError> {
        let Some(found) = self.runner.inventory.reservation(context, attempt_id(order, attempt)).await? else {
            return Ok((Standing::Missing, None));
        };
        let standing = match found.state {
            ReservationState::Reserved => Standing::Held,
            ReservationState::Confirmed => Standing::Confirmed,
            ReservationState::Acknowledged => Standing::Acknowledged,
            ReservationState::Released => Standing::Released,
            ReservationState::Expired => Standing::Expired,
        };
        Ok((standing, memo_of(&found)))
    }

    async fn resume(
        &self,
        context: CallContext,
        order: OrderId,
        attempt: u8,
        memo: Option<Memo>,
        reference: Option<&str>,
    ) -> Result<(), RestError> {
        let Some(memo) = memo else { return Ok(()) };
        let mut checkout = Checkout::of_hold(order, memo, context);
        checkout.reference = reference.map(str::to_owned);
        let answer = self.runner.recover(&mut checkout, attempt).await;
        if matches!(answer, Answer::Placed | Answer::Accepted) {
            tracing::info!(%order, "a checkout that was paid for and left is finished");
        }
        Ok(())
    }

    /// Takes the place of an attempt, so that nobody can begin it, and voids. Whoever was faster is left alone.
    async fn close(&self, context: &CallContext, order: OrderId, attempt: u8, reference: Option<&str>) -> Result<(), RestError> {
        let id = attempt_id(order, attempt);
        let line = Sku::parse(NOTHING).ok().zip(Quantity::new(1).ok());
        let lines = line.map(|(sku, quantity)| LineRequest { sku, quantity, locations: Vec::new(), may_split: false });
        let nothing = ReserveRequest { id, lines: lines.into_iter().collect(), ttl_ms: CLOSING_TTL_MS, memo: None };
        match self.runner.inventory.reserve(context, &nothing).await?.outcome {
            // Somebody has stocked it. A released hold closes the row as well.
            OutcomeCode::Ok => match self.runner.inventory.release(context, id).await?.outcome {
                OutcomeCode::Ok => self.void(order, reference).await,
                _ => Ok(()),
            },
            OutcomeCode::ConflictingDuplicate => match judge_taken(self.look_at(context, order, attempt).await?.0) {
                Verdict::Void => self.void(order, reference).await,
                _ => Ok(()),
            },
            OutcomeCode::UnknownSku | OutcomeCode::UnknownLocation | OutcomeCode::InsufficientStock => {
                self.void(order, reference).await
            }
            _ => Ok(()),
        }
    }

    async fn void(&self, order: OrderId, reference: Option<&str>) -> Result<(), RestError> {
        match self.runner.till.payments.void(order, reference).await? {
            Voided::Done => tracing::info!(%order, "the authorisation of a checkout that came to nothing is voided"),
            Voided::AlreadyCaptured => {
                tracing::error!(%order, "a payment without an order was captured elsewhere; an operator must look at it");
            }
        }
        Ok(())
    }
}
