//! Connections that come in.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{PeerName, refusal};

/// Longest handshake: a round trip around the world is 0.4 s, a handshake has two.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(5);

/// Handshakes under way at a port; each costs some 20 KiB and a millisecond of a core. Further connections wait in the kernel's
/// queue.
const MAX_HANDSHAKES: usize = 256;

/// Longest wait for a refused caller to go, and bytes read from it meanwhile.
const FAREWELL_LIMIT: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: u64 = 256 * 1024;

/// A connection whose certificate was checked.
#[derive(Debug)]
pub struct Accepted {
    pub stream: TlsStream<TcpStream>,
    pub name: PeerName,
}

/// Turns connections of one port into TLS.
#[derive(Clone)]
pub struct Acceptor {
    tls: TlsAcceptor,
    port: &'static str,
    room: Arc<Semaphore>,
}

impl Acceptor {
    pub(crate) fn new(config: Arc<ServerConfig>, port: &'static str) -> Self {
        Self { tls: config.into(), port, room: Arc::new(Semaphore::new(MAX_HANDSHAKES)) }
    }

    /// Waits until another handshake may begin. To be asked for before a connection is taken from the listener.
    pub async fn room(&self) -> Option<OwnedSemaphorePermit> {
        self.room.clone().acquire_owned().await.ok()
    }

    /// `None`: the caller was refused, which was said and counted.
    pub async fn accept(&self, stream: TcpStream, remote: SocketAddr) -> Option<Accepted> {
        match timeout(HANDSHAKE_LIMIT, self.handshake(stream)).await {
            Ok(Ok(accepted)) => Some(accepted),
            Ok(Err(error)) => {
                refusal::tell(self.port, &remote, &error);
                None
            }
            Err(_) => {
                refusal::tell_reason(self.port, &remote, "too_slow", "the handshake took over 5 s");
                None
            }
        }
    }

    async fn handshake(&self, stream: TcpStream) -> io::Result<Accepted> {
        let accepting = self.tls.accept(stream).into_fallible();
        let stream = match accepting.await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                part(stream).await;
                return Err(error);
            }
        };
        let presented = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let presented = presented.ok_or_else(|| io::Error::other(rustls::Error::NoCertificatesPresented))?;
        let name = PeerName::of(presented).map_err(io::Error::other)?;
        Ok(Accepted { stream, name })
    }
}

/// In TLS 1.3 a caller learns only after its handshake that it is refused, and has sent its request by then. Closed with that
/// unread, the connection would be reset and the caller could lose the alert that says why, and that nothing was executed.
async fn part(mut stream: TcpStream) {
    let reading = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(FAREWELL_BYTES), &mut tokio::io::sink()).await
    };
    // Whatever comes of it, the caller is refused.
    let _ = timeout(FAREWELL_LIMIT, reading).await;
}
