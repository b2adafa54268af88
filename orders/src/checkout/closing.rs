//! Takes the place of an attempt at an order, so that nobody can begin it, and ends the checkouts that a newer one replaces.
//!
//! Owns: the reservation that is refused for ever. Must not: decide whether an order may be ended.

use inventory_api::{ClientError, LineRequest, OutcomeCode, ReserveRequest};
use storefront_types::{CallContext, OrderId, Quantity, Sku};

use super::{MAX_ATTEMPTS, Runner, attempt_id};
use crate::payment::{Ending, judge_released};

/// What nobody sells. A hold of it is refused, and the refusal is remembered: no hold can have that id any more.
const NOTHING: &str = "(a checkout that was closed)";

/// The time to live that a closing hold asks for; it gets none.
const CLOSING_TTL_MS: u64 = inventory_api::MIN_TTL_MS;

/// Each attempt may be released, closed, and found begun meanwhile.
const MAX_STEPS: u8 = 3 * MAX_ATTEMPTS;

/// What came of taking an attempt's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Now or before: nobody can begin it.
    Done,
    /// Decided before, by somebody who wanted stock.
    Taken,
    NotNow,
}

impl Runner {
    /// Safe to repeat: the same answer.
    pub(crate) async fn close(&self, context: &CallContext, order: OrderId, attempt: u8) -> Result<Closed, ClientError> {
        let id = attempt_id(order, attempt);
        let line = Sku::parse(NOTHING).ok().zip(Quantity::new(1).ok());
        let lines = line.map(|(sku, quantity)| LineRequest { sku, quantity, locations: Vec::new(), may_split: false });
        let nothing = ReserveRequest { id, lines: lines.into_iter().collect(), ttl_ms: CLOSING_TTL_MS, memo: None };
        Ok(match self.inventory.reserve(context, &nothing).await?.outcome {
            // Somebody has stocked it. A released hold closes the row as well.
            OutcomeCode::Ok => match self.inventory.release(context, id).await?.outcome {
                OutcomeCode::Ok | OutcomeCode::AlreadyReleased => Closed::Done,
                _ => Closed::NotNow,
            },
            OutcomeCode::ConflictingDuplicate => Closed::Taken,
            OutcomeCode::UnknownSku | OutcomeCode::UnknownLocation | OutcomeCode::InsufficientStock => Closed::Done,
            _ => Closed::NotNow,
        })
    }

    /// Ends an order's checkout wherever it stands, unless it was accepted. `false`: it was, or it is not known.
    pub(super) async fn end(&self, context: &CallContext, order: OrderId) -> bool {
        let mut attempt = 0;
        for _ in 0..MAX_STEPS {
            let Ok(released) = self.inventory.release(context, attempt_id(order, attempt)).await else { return false };
            match judge_released(attempt, released.outcome) {
                Ending::Ended => return true,
                Ending::Leave => return false,
                Ending::Release { attempt: next } => attempt = next,
                Ending::Close { attempt } => match self.close(context, order, attempt).await {
                    Ok(Closed::Done) => return true,
                    // Begun meanwhile: it is released next. One that was refused ends the row by itself.
                    Ok(Closed::Taken) => {}
                    Ok(Closed::NotNow) | Err(_) => return false,
                },
            }
        }
        false
    }
}
