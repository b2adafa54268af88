//! The short way of the plainest requests: read into a buffer that all connections of a thread share, answered with one write, without
//! hyper, a task or a map of fields.
//!
//! Owns: which requests are plain enough. Whatever else is in a head, or is wrong with it, is hyper's: it gets the bytes as they came.

use std::{
    io::IoSlice,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::io::{AsyncWrite, AsyncWriteExt, ReadBuf};

use super::{
    Handler,
    answer::is_host,
    connection::unless_cut,
    life::{Life, Phase},
    wire::Wire,
    worker::Worker,
};

/// Bytes read at once: 40 heads of browsers.
pub(super) const READ_BYTES: usize = 32 * 1024;

/// Answers to one connection before others have their turn.
const MAX_IN_A_ROW: usize = 32;

/// Fields of a plain request; one with more takes the long way.
const MAX_FIELDS: usize = 32;

/// Fields that ask for something else than the whole answer over a kept connection.
const NOT_PLAIN: [&str; 16] = [
    "cache-control",
    "pragma",
    "range",
    "if-range",
    "if-match",
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "upgrade",
    "te",
    "trailer",
    "max-forwards",
];

/// A `GET` or `HEAD` over HTTP/1.1 without body, conditions, ranges or directives.
pub(crate) struct Plain<'a> {
    pub(crate) is_head: bool,
    /// As it came; of characters that a host may have.
    pub(crate) host: &'a str,
    /// Path and query.
    pub(crate) target: &'a str,
    fields: &'a [httparse::Header<'a>],
}

impl<'a> Plain<'a> {
    /// The one value of a field; `None` when it is missing or comes twice.
    pub(crate) fn field(&self, name: &str) -> Option<&'a [u8]> {
        let mut values = self.fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
        values.next().filter(|_| values.next().is_none())
    }

    /// All values of a field that are text.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let values = self.fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
        values.filter_map(|value| std::str::from_utf8(value).ok())
    }
}

/// Calls `with` for the first request of `bytes` if it is a plain one and there whole; gives what that said, and the request's length.
fn first<T>(bytes: &[u8], with: impl FnOnce(&Plain<'_>) -> T) -> Option<(T, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(length)) = request.parse(bytes) else { return None };
    let is_head = match request.method? {
        "GET" => false,
        "HEAD" => true,
        _ => return None,
    };
    let target = request.path?;
    let plain = |field: &httparse::Header<'_>| {
        let keeps = || field.name.eq_ignore_ascii_case("connection") && field.value.eq_ignore_ascii_case(b"keep-alive");
        !NOT_PLAIN.iter().any(|name| field.name.eq_ignore_ascii_case(name)) || keeps()
    };
    if request.version != Some(1) || !target.starts_with('/') || !request.headers.iter().all(plain) {
        return None;
    }
    let request = Plain { is_head, host: "", target, fields: request.headers };
    let host = request.field("host").filter(|host| is_host(host)).and_then(|host| std::str::from_utf8(host).ok())?;
    Some((with(&Plain { host, ..request }), length))
}

/// What is to be done with the connection next.
pub(super) enum Short {
    /// Wait for more.
    Waits,
    /// The bytes that it has are for hyper.
    Long,
    /// The caller is gone.
    Over,
}

enum Step {
    Done(Short),
    /// The caller did not take all of an answer.
    Write(Bytes),
}

/// Answers plain requests as long as there are any.
pub(super) async fn answer<H: Handler>(worker: &Worker<H>, wire: &mut Wire, life: &Rc<Life>) -> Short {
    for _ in 0..MAX_IN_A_ROW {
        if worker.is_draining() || !wire.is_short() {
            return Short::Long;
        }
        match std::future::poll_fn(|cx| Poll::Ready(step(worker, wire, life, cx))).await {
            Step::Done(done) => return done,
            Step::Write(left) => {
                let _under_way = life.request();
                // Whoever takes nothing for long is cut off.
                if !matches!(unless_cut(life, wire.write_all(&left)).await, Some(Ok(()))) {
                    return Short::Over;
                }
                if wire.has_before() {
                    return Short::Long;
                }
            }
        }
    }
    tokio::task::yield_now().await;
    Short::Waits
}

/// One read, and the answers to all that it brought.
fn step<H: Handler>(worker: &Worker<H>, wire: &mut Wire, life: &Life, cx: &mut Context<'_>) -> Step {
    let mut scratch = worker.scratch.borrow_mut();
    let (buffer, head) = &mut *scratch;
    let mut read = ReadBuf::new(buffer);
    match wire.poll_read_past(cx, &mut read) {
        Poll::Pending => return Step::Done(Short::Waits),
        Poll::Ready(Err(_)) => return Step::Done(Short::Over),
        Poll::Ready(Ok(())) if read.filled().is_empty() => return Step::Done(Short::Over),
        Poll::Ready(Ok(())) => {}
    }
    let mut rest = read.filled();
    while !rest.is_empty() {
        head.clear();
        let Some((Some(body), length)) = first(rest, |request| worker.handler.at_once(request, head)) else {
            wire.put_back(rest);
            return Step::Done(Short::Long);
        };
        rest = &rest[length..];
        let written = match Pin::new(&mut *wire).poll_write_vectored(cx, &[IoSlice::new(head), IoSlice::new(&body)]) {
            Poll::Ready(Ok(written)) => written,
            Poll::Ready(Err(_)) => return Step::Done(Short::Over),
            Poll::Pending => 0,
        };
        life.enter(Phase::Idle);
        if written < head.len() + body.len() {
            wire.put_back(rest);
            let left =
                [head.get(written..).unwrap_or_default(), body.get(written.saturating_sub(head.len())..).unwrap_or_default()];
            return Step::Write(left.concat().into());
        }
    }
    Step::Done(Short::Waits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Option<(String, usize)> {
        first(bytes.as_bytes(), |request| format!("{} {} {}", request.is_head, request.host, request.target))
    }

    #[test]
    fn only_plain_requests_that_are_there_whole_take_the_short_way() {
        let plain = "GET /a?b HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\nConnection: Keep-Alive\r\n\r\n";
        assert_eq!(read(&format!("{plain}GET /next")), Some(("false shop /a?b".to_owned(), plain.len())));
        assert!(read("HEAD / HTTP/1.1\r\nhost: shop\r\n\r\n").is_some_and(|(said, _)| said == "true shop /"));
        for long in [
            "GET / HTTP/1.1\r\nHost: shop\r\n",
            "GET / HTTP/1.0\r\nHost: shop\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: shop\r\n\r\n",
            "GET http://shop/ HTTP/1.1\r\nHost: shop\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
        ] {
            assert_eq!(read(long), None, "{long:?}");
        }
        for field in NOT_PLAIN {
            let with = format!("GET / HTTP/1.1\r\nHost: shop\r\n{}: close\r\n\r\n", field.to_uppercase());
            assert_eq!(read(&with), None, "{field}");
        }
    }
}
