//! Connections of the public port: a runtime per thread with its own listener, HTTP/1.1 and HTTP/2, TLS, bounds on everything a
//! caller can make this process hold, 1xx answers, and a drain that drops nothing.
//!
//! Owns: sockets, and when a connection is too slow, too idle or malformed. Must not: know a route, a cache or a service behind.

mod answer;
mod caller;
mod connection;
mod crew;
mod framing;
mod interim;
mod life;
mod listen;
mod routed;
mod short;
mod slot;
mod streams;
mod sweep;
#[cfg(test)]
mod tests;
mod tls;
mod wire;
mod worker;

use std::{future::Future, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio_rustls::rustls::ServerConfig;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use caller::Caller;
pub(crate) use interim::Interim;
pub(crate) use routed::Routed;
pub(crate) use short::Plain;
pub(crate) use tls::PROTOCOLS;

/// Most bytes of a request's head; longer ones are answered with 431. Browsers send 1 to 4 KiB, most of it cookies.
pub(crate) const MAX_HEAD_BYTES: usize = 32 * 1024;

/// What answers requests. There is one for each thread; it and its futures stay on it.
pub(crate) trait Handler: 'static {
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static;

    fn handle(&self, request: Request<Incoming>, from: &Caller) -> impl Future<Output = Response<Self::Body>>;

    /// Writes the whole head of an answer that is here already and gives its body (empty for a `HEAD`); or writes nothing and leaves the
    /// request to [`Handler::handle`]. Waits for nothing.
    fn at_once(&self, _request: &Plain<'_>, _head: &mut Vec<u8>) -> Option<Bytes> {
        None
    }
}

/// How the port is served.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    /// Threads.
    pub(crate) workers: usize,
    /// Connections of all threads together.
    pub(crate) max_connections: usize,
    /// A caller who takes nothing of an answer for so long is cut off.
    pub(crate) stall_limit: Duration,
    /// Work that goes on when its caller is gone: the threads it runs on wait for its end.
    pub(crate) work: TaskTracker,
    /// For TLS on the port; without it the port is plaintext.
    pub(crate) tls: Option<Arc<ServerConfig>>,
}

/// Serves until `shutdown`, then answers what is under way. `make` is called once on every thread.
pub(crate) async fn serve<H: Handler>(
    door: Door,
    listener: TcpListener,
    make: impl Fn() -> H + Clone + Send + 'static,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    listen::raise_file_limit();
    let listeners = listen::beside(listener, door.workers.max(1))?;
    let cut = CancellationToken::new();
    // Whoever stops waiting for the threads stops them.
    let _cut = cut.clone().drop_guard();
    let limit = door.max_connections.div_ceil(listeners.len()).max(1);
    let mut ends = tokio::task::JoinSet::new();
    let crew = crew::Crew::of(listeners.len());
    for (number, (listener, (crew, passed))) in listeners.into_iter().zip(crew).enumerate() {
        let thread = worker::Thread {
            number,
            listener,
            crew,
            passed,
            limit,
            stall_limit: door.stall_limit,
            work: door.work.clone(),
            tls: door.tls.clone(),
            shutdown: shutdown.clone(),
            cut: cut.clone(),
        };
        let (said, end) = tokio::sync::oneshot::channel();
        let make = make.clone();
        std::thread::Builder::new().name(format!("edge-{number}")).spawn(move || {
            // The receiver is gone when nobody waits any more.
            let _ = said.send(worker::run(thread, make));
        })?;
        ends.spawn(end);
    }
    while let Some(end) = ends.join_next().await {
        end?.map_err(|_| anyhow::anyhow!("a thread that serves connections has died"))??;
    }
    Ok(())
}
