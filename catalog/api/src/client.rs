//! A small client for other services.

use storefront_types::Problem;

/// What a caller can do about a failed call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Try later.
    #[error("the catalog did not answer: {0}")]
    Unavailable(String),
    /// Repeating the request does not help.
    #[error("the catalog refused the request: {}", .0.title)]
    Refused(Box<Problem>),
}

/// Placeholder until the client lands.
pub struct CatalogClient;
