//! Brings payments to rest: captures what is recorded, and looks after authorisations that nobody
//! works on any more. Every pass is bounded; what it does not reach, the next one does. What is wrong with one order is told, and the others
//! go on.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use inventory_api::{ClientError, ReservationState};
use storefront_service::background_context;
use storefront_types::{CallContext, OrderId};
use time::OffsetDateTime;

use super::{
    captures::Due,
    port::{PaymentError, Voided},
    settle::{Standing, Verdict, judge, judge_taken},
};
use crate::{
    checkout::{Answer, Checkout, Closed, Memo, Runner, attempt_id, memo_of},
    database::DatabaseError,
};

/// Between two passes.
const EVERY: Duration = Duration::from_secs(2);

/// Orders that are worked on at once: at 300 ms a call, about 25 a second, and no more than a provider bears beside the checkouts.
const AT_ONCE: usize = 8;

/// Captures of one pass: a handful of seconds, then it is the authorisations' turn.
const PER_PASS: usize = 200;

/// Authorisations of one page, and pages of one pass.
const PAGE: u32 = 50;
const PAGES: usize = 4;

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

/// Where the next pass goes on among the provider's authorisations, so that some that cannot be brought to rest hide no others.
#[derive(Debug, Default)]
struct Place {
    next: Option<(OffsetDateTime, String)>,
}

/// Until it is aborted.
pub(crate) async fn run(rest: Rest) {
    if !rest.runner.till.payments.are_taken() {
        return;
    }
    let mut place = Place::default();
    loop {
        tokio::time::sleep(EVERY).await;
        if let Err(error) = rest.captures().await {
            tracing::debug!(%error, "payments wait to be captured");
        }
        if let Err(error) = rest.runner.till.store.forget_events().await {
            tracing::debug!(%error, "events wait to be forgotten");
        }
        if let Err(error) = rest.authorisations(&mut place).await {
            tracing::debug!(%error, "authorisations wait to be brought to rest");
        }
    }
}

impl Rest {
    async fn captures(&self) -> Result<(), DatabaseError> {
        let till = &self.runner.till;
        // Few at a time: what is claimed is begun at once, and done long before its lease is over.
        for _ in 0..PER_PASS / AT_ONCE {
            let claimed = till.store.claim(till.payments.name(), AT_ONCE as i64).await?;
            let is_last = claimed.len() < AT_ONCE;
            stream::iter(claimed).for_each_concurrent(AT_ONCE, |due| async move { self.capture(&due).await }).await;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    async fn capture(&self, due: &Due) {
        let Err(error) = self.runner.till.capture(due.order, due.reference.as_deref()).await else { return };
        tracing::info!(%error, order = %due.order, attempts = due.attempts, "a payment is not captured yet");
        match self.runner.till.store.put_off(due, &error.to_string()).await {
            Ok(true) => {}
            Ok(false) => {
                tracing::error!(order = %due.order, "a capture is given up; look at GET /admin/v1/payments");
                metrics::counter!("orders_payments_failed_total", "reason" => "given_up").increment(1);
            }
            // Its lease ends, and it is tried again.
            Err(error) => tracing::debug!(%error, order = %due.order, "an attempt at a capture is not noted"),
        }
    }

    /// Authorisations without a recorded order lead to one, or are voided.
    async fn authorisations(&self, place: &mut Place) -> Result<(), PaymentError> {
        for _ in 0..PAGES {
            // A cursor belongs to the question that it was an answer to. One that the provider does not take any more begins anew.
            let begun = place.next.take();
            let before = begun.as_ref().map_or_else(|| OffsetDateTime::now_utc() - self.older_than, |(before, _)| *before);
            let cursor = begun.as_ref().map(|(_, cursor)| cursor.as_str());
            let page = self.runner.till.payments.uncaptured(before, PAGE, cursor).await?;
            let attended = |(order, reference): (OrderId, String)| async move {
                let error = match self.attend(order, Some(&reference), Seen::LongAgo).await {
                    Ok(()) => return,
                    Err(error) => error,
                };
                match error {
                    RestError::Payment(PaymentError::Refused(reason)) => {
                        tracing::error!(%order, reason, "an authorisation cannot be brought to rest; an operator must look at it");
                    }
                    error => tracing::debug!(%error, %order, "an authorisation waits to be brought to rest"),
                }
            };
            stream::iter(page.items).for_each_concurrent(AT_ONCE, attended).await;
            place.next = page.next_cursor.map(|cursor| (before, cursor));
            if place.next.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Looks at one order whose payment may be waiting. May be run twice, anywhere, at once.
    pub(crate) async fn attend(&self, order: OrderId, reference: Option<&str>, seen: Seen) -> Result<(), RestError> {
        // PostgreSQL first: what it has, the inventory may have forgotten.
        if self.runner.till.store.order(order).await?.is_some() {
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
        match self.runner.close(context, order, attempt).await? {
            Closed::Done => self.void(order, reference).await,
            Closed::Taken => match judge_taken(self.look_at(context, order, attempt).await?.0) {
                Verdict::Void => self.void(order, reference).await,
                _ => Ok(()),
            },
            Closed::NotNow => Ok(()),
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
