//! From a connection to one that speaks TLS, in bounded time and number.

use std::{future::poll_fn, sync::Arc};

use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use super::{
    connection::{part, unless_cut},
    life::Life,
};

/// Handshakes under way on one thread; each holds some 20 KiB, 80 MiB in all. They last 5 s at the longest, so that it takes 800 slow
/// callers a second to keep others out.
const MAX_HANDSHAKES: usize = 4096;

/// What is offered, the best first.
pub(crate) const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

pub(super) struct Tls {
    acceptor: TlsAcceptor,
    room: Semaphore,
}

impl Tls {
    pub(super) fn new(config: Arc<ServerConfig>) -> Self {
        Self { acceptor: config.into(), room: Semaphore::new(MAX_HANDSHAKES) }
    }

    /// `None`: it failed, or took too long.
    pub(super) async fn accept(&self, stream: TcpStream, life: &Life) -> Option<Box<TlsStream<TcpStream>>> {
        let shaken = unless_cut(life, async {
            // Whoever says nothing takes no place.
            let _ = poll_fn(|cx| stream.poll_read_ready(cx)).await;
            let _place = self.room.acquire().await.ok()?;
            Some(self.acceptor.accept(stream).into_fallible().await)
        });
        match shaken.await.flatten() {
            Some(Ok(stream)) => Some(Box::new(stream)),
            Some(Err((error, stream))) => {
                metrics::counter!("edge_handshakes_failed_total", "reason" => "failed").increment(1);
                tracing::debug!(%error, "a connection ended within its handshake");
                part(stream, life).await;
                None
            }
            None => {
                metrics::counter!("edge_handshakes_failed_total", "reason" => "too_slow").increment(1);
                None
            }
        }
    }
}
