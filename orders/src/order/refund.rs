//! Money back to the shopper, by whoever took it.

use orders_api::RefundState;
use storefront_types::{Money, OrderId};
use uuid::Uuid;

use crate::checkout::{GivenBack, Till};

/// A refund that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefundDue {
    pub(crate) order: OrderId,
    /// Names the refund at the provider: asked for twice it is given once.
    pub(crate) id: Uuid,
    pub(crate) amount: Money,
    /// All of the order: an authorisation is let go of.
    pub(crate) is_whole: bool,
    /// The books say that the money came.
    pub(crate) is_paid: bool,
}

/// Who gives money back: the payment provider, where the shop has one.
#[derive(Clone)]
pub(crate) struct MoneyBack {
    pub(crate) till: Till,
}

impl MoneyBack {
    /// Lets go of an authorisation, or gives money back. Safe to repeat. The error is for operators; it is tried again.
    pub(crate) async fn void_or_refund(&self, due: &RefundDue) -> Result<RefundState, String> {
        let is_nothing = !due.is_whole && due.amount.amount() == 0;
        if is_nothing {
            return Ok(RefundState::NothingTaken);
        }
        let given = match self.till.payments.are_taken() {
            true => {
                let given = self.till.give_back(due.order, due.id, due.amount.amount()).await;
                given.map_err(|error| error.to_string())?
            }
            false => GivenBack::Nothing,
        };
        Ok(match given {
            GivenBack::Voided | GivenBack::Refunded => RefundState::Done,
            // What an operator marked as paid came by another way, and goes back by it.
            GivenBack::Nothing if due.is_paid => RefundState::ByHand,
            GivenBack::Nothing => RefundState::NothingTaken,
        })
    }
}
