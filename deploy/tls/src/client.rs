//! A pooled HTTP/1.1 client over such connections.

use std::{error::Error as StdError, fmt};

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper_util::{
    client::legacy::{Client, Error},
    rt::{TokioExecutor, TokioTimer},
};

use crate::{Connector, refusal};

/// Idle connections kept to each node: more callers at once open more, which then end.
const MAX_IDLE: usize = 256;

/// Cheap to clone; clones share connections.
pub struct HttpClient<B> {
    client: Client<Connector, B>,
}

/// Also where a body cannot be cloned, which the derived one would ask for.
impl<B> Clone for HttpClient<B> {
    fn clone(&self) -> Self {
        Self { client: self.client.clone() }
    }
}

impl<B> fmt::Debug for HttpClient<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// One side does not take the other's certificate. Nothing was executed.
    #[error("{0}")]
    Untrusted(String),
    /// There was no connection. Nothing was executed.
    #[error("no connection: {}", root(.0))]
    NoConnection(#[source] Error),
    /// The connection ended before the answer.
    #[error("no answer: {}", root(.0))]
    NoAnswer(#[source] Error),
}

/// The innermost cause, which says what happened.
fn root(error: &Error) -> String {
    let mut cause: &dyn StdError = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

impl<B> HttpClient<B>
where
    B: Body + Send + 'static + Unpin,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    pub fn new(connector: Connector) -> Self {
        let mut builder = Client::builder(TokioExecutor::new());
        builder.pool_timer(TokioTimer::new()).pool_max_idle_per_host(MAX_IDLE);
        Self { client: builder.build(connector) }
    }

    /// Sends a request whose URI has host and port. Without a deadline: put one around it.
    pub async fn send(&self, request: Request<B>) -> Result<Response<Incoming>, Failed> {
        self.client.request(request).await.map_err(|error| {
            let untrusted = refusal::refused_us(&error).or_else(|| refusal::refused_them(&error));
            match untrusted {
                Some(why) => Failed::Untrusted(why),
                None if error.is_connect() => Failed::NoConnection(error),
                None => Failed::NoAnswer(error),
            }
        })
    }
}
