//! A client that costs little: HTTP/1.1 on one kept connection, one request at a time, answers read by their `Content-Length`.
//!
//! The load generator shares the machine with what it measures, so each microsecond spent here would be taken from the measured.

use std::{io, net::Ipv4Addr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

/// Headers of one answer that are looked at.
const MAX_HEADERS: usize = 32;

/// Largest answer read; a batch of 1,024 outcomes has about 200 KiB.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    received: Vec<u8>,
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl Wire {
    pub(super) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    /// The same from a certain address of this machine: each has ports of its own.
    pub(super) async fn open_from(source: Ipv4Addr, address: &str) -> io::Result<Self> {
        let to = address.parse().map_err(|_| malformed("not an address"))?;
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Gives the memory of the last answer back.
    pub(super) fn forget(&mut self) {
        self.received = Vec::new();
    }

    /// Sends a whole request and reads its answer: the status and the body.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some((status, body)) = parse(&self.received)? {
                let missing = (body.end).saturating_sub(self.received.len());
                self.read_rest(missing).await?;
                return Ok((status, &self.received[body]));
            }
        }
    }

    async fn read_rest(&mut self, mut missing: usize) -> io::Result<()> {
        self.received.reserve(missing);
        while missing > 0 {
            match self.stream.read_buf(&mut self.received).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => missing = missing.saturating_sub(read),
            }
        }
        Ok(())
    }
}

/// The status and where the body lies, once the head is complete.
fn parse(received: &[u8]) -> io::Result<Option<(u16, std::ops::Range<usize>)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = answer.parse(received).map_err(|_| malformed("not an HTTP answer"))? else {
        return Ok(None);
    };
    let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let length = length.filter(|length| *length <= MAX_ANSWER_BYTES).ok_or_else(|| malformed("no usable content-length"))?;
    Ok(Some((answer.code.ok_or_else(|| malformed("no status"))?, head..head + length)))
}

/// A `POST` with a JSON body.
pub(super) fn post(path: &str, media_type: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n").into_bytes()
}
