//! A connection's bytes: what was read before, 1xx answers between hyper's writes, and what its [`Life`] has to know.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{framing::Framing, interim::Queue, life::Life};

/// The transport under HTTP.
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

pub(super) struct Wire {
    stream: Stream,
    life: Rc<Life>,
    /// What an earlier reader took and did not use.
    before: Bytes,
    framing: Framing,
    interim: Arc<Queue>,
    /// 1xx answers of which a part is written.
    sending: Bytes,
    /// Whether the last read found nothing.
    is_drained: bool,
    is_over: bool,
    has_two_lengths: bool,
}

impl Wire {
    pub(super) fn new(stream: Stream, life: Rc<Life>, interim: Arc<Queue>) -> Self {
        let (framing, before, sending) = (Framing::default(), Bytes::new(), Bytes::new());
        Self { stream, life, before, framing, interim, sending, is_drained: false, is_over: false, has_two_lengths: false }
    }

    /// Gives bytes back that were read and not used. Copied: also an empty piece of hyper's buffer holds all of it.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        self.before = Bytes::copy_from_slice(bytes);
    }

    pub(super) fn is_tls(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    /// Whether bytes were given back.
    pub(super) fn has_before(&self) -> bool {
        !self.before.is_empty()
    }

    /// Whether the short way can read from here: plaintext, and nothing was read before.
    pub(super) fn is_short(&self) -> bool {
        matches!(self.stream, Stream::Plain(_)) && self.before.is_empty()
    }

    /// Reads for the short way. What it does not use is given back, and looked at when hyper reads it.
    pub(super) fn poll_read_past(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        self.is_over |= matches!(read, Poll::Ready(Ok(()))) && into.filled().is_empty();
        read
    }

    /// Whether the caller has closed its side.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether the connection was broken off for a request with two lengths.
    pub(super) fn has_two_lengths(&self) -> bool {
        self.has_two_lengths
    }

    /// Waits for bytes, or the end, without a buffer.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.before.is_empty() {
            return Poll::Ready(());
        }
        let tcp = match &self.stream {
            // What was decrypted and not read shows in no socket.
            Stream::Tls(_) if !self.is_drained => return Poll::Ready(()),
            Stream::Tls(tls) => tls.get_ref().0,
            Stream::Plain(tcp) => tcp,
        };
        // An error shows again at the next read.
        tcp.poll_read_ready(cx).map(|_| ())
    }

    /// Looks at what hyper is about to get.
    fn check(&mut self, read: &[u8]) -> io::Result<()> {
        if read.is_empty() {
            self.is_over = true;
            return Ok(());
        }
        let was = self.life.phase();
        if !self.life.has_read() {
            return Ok(());
        }
        if self.life.phase() != was {
            self.framing = Framing::default();
        }
        if self.framing.sees_two_lengths(read) {
            self.has_two_lengths = true;
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a request has two lengths"));
        }
        Ok(())
    }

    /// Writes the 1xx answers that wait.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.interim.waits() || !self.sending.is_empty() {
            if self.sending.is_empty() {
                self.sending = self.interim.take().into();
            }
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.sending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sending.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn note<T>(&self, written: Poll<T>) -> Poll<T> {
        self.life.has_written(written.is_ready());
        written
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let begin = into.filled().len();
        if self.before.is_empty() {
            let read = Pin::new(&mut self.stream).poll_read(cx, into);
            self.is_drained = read.is_pending();
            ready!(read)?;
        } else {
            let taken = self.before.len().min(into.remaining());
            into.put_slice(&self.before[..taken]);
            self.before.advance(taken);
        }
        Poll::Ready(self.check(&into.filled()[begin..]))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = match self.poll_interim(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        self.note(written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = match self.poll_interim(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut self.stream).poll_write_vectored(cx, parts),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper flushes each time it is woken, also with nothing of its own to write.
        ready!(self.poll_interim(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_read(cx, into),
            Self::Tls(tls) => Pin::new(tls).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write(cx, bytes),
            Self::Tls(tls) => Pin::new(tls).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, parts),
            Self::Tls(tls) => Pin::new(tls).poll_write_vectored(cx, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(tcp) => tcp.is_write_vectored(),
            Self::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Self::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Self::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}
