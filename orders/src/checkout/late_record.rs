//! Records an accepted order now, because somebody wants something done with it that only a recorded order can have done.

use inventory_api::{ClientError, ReservationState};
use storefront_types::{CallContext, OrderId};

use super::{Runner, newest_attempt};
use crate::reconcile;

/// Why it is not known whether there is such an order, or why it cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LateRecordError {
    #[error("the inventory cannot say whether it has the order: {0}")]
    Inventory(#[from] ClientError),
    #[error("the order cannot be recorded now: {0}")]
    Record(anyhow::Error),
}

impl Runner {
    /// `false`: no such order was accepted. Safe to repeat, and beside the checkout itself and the reconciler.
    pub(crate) async fn record_accepted(&self, context: &CallContext, id: OrderId) -> Result<bool, LateRecordError> {
        let found = newest_attempt(&self.inventory, context, id).await?;
        let Some(found) = found.filter(|found| found.state == ReservationState::Confirmed) else { return Ok(false) };
        reconcile::record(&self.store, &found).await.map_err(LateRecordError::Record)
    }
}
