//! Connections that go out, for an HTTP client.

use std::{
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::legacy::connect::{Connected, Connection},
    rt::TokioIo,
};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower_service::Service;

use crate::{Tls, TlsError, Wanted, origin, refusal, via};

/// Longest wait for a TCP connection: unless a node is away, a round trip.
const DEFAULT_LIMIT: Duration = Duration::from_millis(500);

/// How many times as long the handshake on it may take: it is a round trip or two, the longest of 220 ms, and work on a machine that may be busy.
const HANDSHAKE_LIMITS: u32 = 2;

/// TLS asks for a name of the server. Ours are in certificates and not in the DNS, and this one is never sent or looked at.
const ANY_NAME: &str = "inventory";

/// Opens connections to `host:port` of a URI, in TLS or in plaintext whatever the URI's scheme says.
#[derive(Clone)]
pub struct Connector {
    tls: Option<TlsConnector>,
    /// The server's certificate has to be for the host of the URI.
    by_host: bool,
    limit: Duration,
}

impl Connector {
    pub fn plaintext() -> Self {
        Self { tls: None, by_host: false, limit: DEFAULT_LIMIT }
    }

    /// To whom is wanted and to nobody else.
    pub fn tls(tls: &Tls, wanted: Wanted) -> Self {
        let config: Arc<ClientConfig> = tls.client_config(wanted);
        Self { tls: Some(config.into()), by_host: false, limit: DEFAULT_LIMIT }
    }

    /// To servers whose certificate is for the host that is asked, signed by an authority of this file; without one, of those that the
    /// machine trusts.
    pub fn public(ca: Option<&Path>) -> Result<Self, TlsError> {
        Ok(Self { tls: Some(origin::client_config(ca)?.into()), by_host: true, limit: DEFAULT_LIMIT })
    }

    /// In TLS to whom is wanted, or in plaintext without an identity.
    pub fn of(tls: Option<&Tls>, wanted: Wanted) -> Self {
        tls.map_or_else(Self::plaintext, |tls| Self::tls(tls, wanted))
    }

    /// Another limit for the connection; the handshake has twice as long.
    #[must_use]
    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    async fn connect(self, host: String, port: u16) -> io::Result<Stream> {
        let late = |_| io::Error::from(io::ErrorKind::TimedOut);
        let tcp = timeout(self.limit, TcpStream::connect(via::route(&host, port))).await.map_err(late)??;
        tcp.set_nodelay(true)?;
        let Some(tls) = self.tls else { return Ok(Stream::Plain(tcp)) };
        let name = if self.by_host { host.clone() } else { ANY_NAME.to_owned() };
        let name = ServerName::try_from(name).map_err(io::Error::other)?;
        let stream = timeout(self.limit * HANDSHAKE_LIMITS, tls.connect(name, tcp)).await.map_err(late)?;
        stream.map(|stream| Stream::Tls(Box::new(stream))).inspect_err(|error| {
            refusal::tell("outgoing", &format_args!("{host}:{port}"), error);
        })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<Stream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move {
            let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("{uri} has no host"));
            // An IPv6 address stands in brackets in a URI alone.
            let host = uri.host().ok_or_else(invalid)?.trim_start_matches('[').trim_end_matches(']').to_owned();
            connector.connect(host, uri.port_u16().unwrap_or(80)).await.map(TokioIo::new)
        })
    }
}

/// A connection of either kind.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
