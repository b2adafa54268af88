//! A small client that follows the leader.

use std::{sync::Mutex, time::Duration};

use storefront_types::{CallContext, Problem};

/// What a caller can do about a failed call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Certainly not executed: try later.
    #[error("no inventory leader took the command within {waited:?}")]
    NotExecuted { waited: Duration },
    /// Perhaps executed: ask again with the same id.
    #[error("the outcome is not known after {waited:?}")]
    OutcomeUnknown { waited: Duration },
    /// The cluster refused the request as malformed; repeating it does not help.
    #[error("the inventory refused the request: {}", .0.title)]
    Refused(Box<Problem>),
}

/// Placeholder until the client lands.
pub struct InventoryClient {
    _context: Mutex<Option<CallContext>>,
}
