//! Around every request: what hyper does not refuse and must be refused, and what the door adds to an answer.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use storefront_types::{Problem, ProblemType};

use super::{
    Caller, Handler,
    life::{Life, UnderWay},
    worker::Worker,
};

/// Most bytes of a piece: a frame of HTTP/2 where nothing else was agreed on. What is given to HTTP/2 at once waits there in one, however
/// little of it the caller takes.
const MAX_PIECE_BYTES: usize = 16 * 1024;

/// Two years, as browsers' lists of such sites ask for.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=63072000");

/// Answers one request of a connection, and counts it as under way until its body is sent.
pub(super) async fn answer<H: Handler>(
    worker: Rc<Worker<H>>,
    life: Rc<Life>,
    mut request: Request<Incoming>,
    caller: Caller,
) -> Response<Sent<H::Body>> {
    let under_way = life.request();
    let is_h1 = request.version() < Version::HTTP_2;
    if !is_h1 {
        in_one_place(&mut request);
    }
    if let Err(why) = refuse(&request) {
        return refusal(why, is_h1).map(|body| Sent::new(Told::Door(body), is_h1, under_way));
    }
    let mut response = worker.handler.handle(request, &caller).await;
    caller.interim.close();
    if is_h1 && worker.is_draining() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if caller.tls && is_page(response.headers()) {
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    response.map(|body| Sent::new(Told::Handler(body), is_h1, under_way))
}

fn is_page(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
}

/// Why a request is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// RFC 9112 section 3.2: one `Host`, and a proper one.
    Host,
    /// RFC 9112 section 6.1: a coding other than "chunked", once.
    Coding,
    /// A tunnel.
    Method,
}

/// What HTTP/2 has elsewhere or in pieces, as HTTP/1.1 has it: the authority as `Host`, the cookies in one line (RFC 9113 sections
/// 8.3.1 and 8.2.3). An authority beside another `Host` makes two of them.
fn in_one_place(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    let headers = request.headers_mut();
    if let Some(Ok(authority)) = authority
        && headers.get(header::HOST) != Some(&authority)
    {
        headers.append(header::HOST, authority);
    }
    let mut cookies = headers.get_all(header::COOKIE).iter();
    if cookies.next().is_some() && cookies.next().is_some() {
        let all: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
        if let Ok(one) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            headers.insert(header::COOKIE, one);
        }
    }
}

fn refuse(request: &Request<Incoming>) -> Result<(), Refused> {
    let headers = request.headers();
    if request.method() == Method::CONNECT {
        return Err(Refused::Method);
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let is_right = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host.as_bytes()),
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if !is_right {
        return Err(Refused::Host);
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => Ok(()),
        (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Ok(()),
        _ => Err(Refused::Coding),
    }
}

/// Characters of a host and a port (RFC 3986 section 3.2.2), without those of user names.
pub(super) fn is_host(host: &[u8]) -> bool {
    host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(byte))
}

fn refusal(why: Refused, is_h1: bool) -> Response<Full<Bytes>> {
    let (status, detail) = match why {
        Refused::Host => (StatusCode::BAD_REQUEST, "send one Host header with a host and, if need be, a port"),
        Refused::Coding => (StatusCode::NOT_IMPLEMENTED, "the one transfer coding that is known here is chunked, once"),
        Refused::Method => (StatusCode::NOT_IMPLEMENTED, "this server opens no tunnels"),
    };
    let mut response = problem(status, detail);
    if is_h1 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A problem document of the door's own.
pub(super) fn problem(status: StatusCode, detail: &str) -> Response<Full<Bytes>> {
    let mut problem = Problem::new(ProblemType::InvalidRequest).detail(detail);
    problem.status = status.as_u16();
    let mut response = Response::new(Full::from(serde_json::to_vec(&problem).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    response
}

/// A body whose end is the end of its request. Over HTTP/2 it says when its next piece waits for the caller; before that protocol, what
/// is held up shows in the writing, however large a piece is.
pub(super) struct Sent<B> {
    body: Told<B>,
    /// Of a piece that is given bit by bit, what is left.
    rest: Bytes,
    is_h1: bool,
    /// Whether it was given a piece and has not been asked for the next one.
    is_held: bool,
    under_way: UnderWay,
}

enum Told<B> {
    Handler(B),
    Door(Full<Bytes>),
}

impl<B> Sent<B> {
    fn new(body: Told<B>, is_h1: bool, under_way: UnderWay) -> Self {
        let mut sent = Self { body, rest: Bytes::new(), is_h1, is_held: false, under_way };
        sent.hold(!is_h1);
        sent
    }

    fn hold(&mut self, is_held: bool) {
        if std::mem::replace(&mut self.is_held, is_held) != is_held {
            match is_held {
                true => self.under_way.life().holds(),
                false => self.under_way.life().has_taken(),
            }
        }
    }

    /// Of a large piece the first bytes; the others are given when those are taken.
    fn part(&mut self, mut piece: Bytes) -> Frame<Bytes> {
        let part = piece.split_to(piece.len().min(MAX_PIECE_BYTES));
        self.rest = piece;
        Frame::data(part)
    }
}

impl<B> Drop for Sent<B> {
    fn drop(&mut self) {
        self.hold(false);
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Sent<B>
where
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        // Asked for: whatever the caller was to take is taken, and the window is open for more.
        self.hold(false);
        let polled = match std::mem::take(&mut self.rest) {
            rest if rest.is_empty() => match &mut self.body {
                Told::Handler(body) => Pin::new(body).poll_frame(cx),
                Told::Door(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            },
            rest => Poll::Ready(Some(Ok(Frame::data(rest)))),
        };
        let polled = match polled {
            Poll::Ready(Some(Ok(frame))) if !self.is_h1 => match frame.into_data() {
                Ok(data) => Poll::Ready(Some(Ok(self.part(data)))),
                Err(other) => Poll::Ready(Some(Ok(other))),
            },
            polled => polled,
        };
        let is_held = !self.is_h1 && matches!(polled, Poll::Ready(Some(Ok(_))));
        self.hold(is_held);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
            && match &self.body {
                Told::Handler(body) => body.is_end_stream(),
                Told::Door(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.body {
            Told::Handler(body) => body.size_hint(),
            Told::Door(body) => body.size_hint(),
        };
        let (rest, mut hint) = (self.rest.len() as u64, SizeHint::new());
        hint.set_lower(left.lower() + rest);
        if let Some(upper) = left.upper() {
            hint.set_upper(upper + rest);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn a_host_is_a_name_or_an_address_and_nothing_around_it() {
        for right in ["shop.example", "127.0.0.1:8080", "[::1]:80", ""] {
            assert!(is_host(right.as_bytes()), "{right}");
        }
        for wrong in ["a b", "user@shop", "shop/x", "shop?x", "a\"b", "sh\u{f6}p", "a\tb"] {
            assert!(!is_host(wrong.as_bytes()), "{wrong}");
        }
    }
}
