//! Who asks, and by which way.

use std::net::SocketAddr;

use super::Interim;

/// The other end of a request's connection.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) address: SocketAddr,
    pub(crate) tls: bool,
    /// Takes 1xx answers for this request.
    pub(crate) interim: Interim,
}
