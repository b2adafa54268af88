//! A page as bytes, with its headers, ready to be sent to everybody.

use std::{
    cell::RefCell,
    sync::OnceLock,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_cache_policy::http_date;

use crate::cache::written;

/// Headers that describe a body (RFC 9110 section 15.4.5: a 304 carries no others of them than the validators).
const OF_A_BODY: [header::HeaderName; 2] = [header::CONTENT_TYPE, header::CONTENT_LENGTH];

/// Made once, sent many times.
#[derive(Debug)]
pub(crate) struct Rendered {
    /// With `ETag`, `Content-Length`, `Cache-Control`, `Cache-Status`, `Age` and all that browsers are told about safety.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Of the answer to whom has it already.
    unchanged: HeaderMap,
    /// Status line and fields as they go over the wire.
    head: OnceLock<Box<[u8]>>,
}

/// What a request gets of it.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: Bytes,
}

impl Rendered {
    pub(super) fn new(mut headers: HeaderMap, body: Bytes) -> Self {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut unchanged = headers.clone();
        for name in OF_A_BODY {
            unchanged.remove(name);
        }
        Self { headers, body, unchanged, head: OnceLock::new() }
    }

    /// Writes status line and fields of HTTP/1.1 without the empty line that ends them.
    pub(crate) fn write_head(&self, into: &mut Vec<u8>) {
        into.extend_from_slice(self.head.get_or_init(|| written(StatusCode::OK, &self.headers)));
        into.extend_from_slice(b"date: ");
        DATE.with_borrow_mut(|date| into.extend_from_slice(date.now().as_bytes()));
        into.extend_from_slice(b"\r\n");
    }

    /// For `GET` or `HEAD`, and whoever has it already.
    pub(crate) fn give(&self, method: &Method, request: &HeaderMap) -> Given<'_> {
        if request.contains_key(header::IF_NONE_MATCH) && self.headers.get(header::ETAG).is_some_and(|tag| has(request, tag)) {
            return Given { status: StatusCode::NOT_MODIFIED, headers: &self.unchanged, body: Bytes::new() };
        }
        let body = if *method == Method::HEAD { Bytes::new() } else { self.body.clone() };
        Given { status: StatusCode::OK, headers: &self.headers, body }
    }
}

/// The date as a header says it, written once a second.
#[derive(Default)]
struct Date {
    unix_s: u64,
    text: String,
}

thread_local! {
    static DATE: RefCell<Date> = RefCell::default();
}

impl Date {
    fn now(&mut self) -> &str {
        let unix_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        if unix_s != self.unix_s {
            *self = Self { unix_s, text: http_date(unix_s) };
        }
        &self.text
    }
}

impl Given<'_> {
    pub(crate) fn into_response(self) -> Response {
        let mut response = (self.status, Body::from(self.body)).into_response();
        *response.headers_mut() = self.headers.clone();
        response
    }
}

/// Whether the client has it already; compared weakly (RFC 9110 section 13.1.2).
fn has(request: &HeaderMap, etag: &HeaderValue) -> bool {
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let Ok(etag) = etag.to_str().map(plain) else { return false };
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|list| list.split(',')).any(|tag| tag.trim() == "*" || plain(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered() -> Rendered {
        let mut headers = HeaderMap::new();
        headers.insert(header::ETAG, HeaderValue::from_static("W/\"one\""));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
        Rendered::new(headers, Bytes::from_static(b"hello"))
    }

    #[test]
    fn a_head_is_written_with_the_date_of_now() {
        let mut head = Vec::new();
        rendered().write_head(&mut head);
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\netag: W/\"one\"\r\n"), "{head}");
        assert!(head.contains("content-length: 5\r\ndate: ") && head.ends_with(" GMT\r\n"), "{head}");
    }

    #[test]
    fn who_has_it_gets_a_304_and_head_gets_no_body() {
        let page = rendered();
        let asked = |value: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::IF_NONE_MATCH, HeaderValue::from_static(value));
            }
            headers
        };
        for known in ["\"one\"", "W/\"one\"", "\"zero\", W/\"one\"", "*"] {
            let given = page.give(&Method::GET, &asked(Some(known)));
            assert_eq!((given.status, given.body.len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert!(given.headers.contains_key(header::ETAG) && !given.headers.contains_key(header::CONTENT_LENGTH));
        }
        for unknown in [None, Some("\"zero\""), Some("one"), Some("")] {
            let given = page.give(&Method::GET, &asked(unknown));
            assert_eq!((given.status, given.body.as_ref()), (StatusCode::OK, b"hello".as_ref()), "{unknown:?}");
            let given = page.give(&Method::HEAD, &asked(unknown));
            assert_eq!((given.body.len(), &given.headers[header::CONTENT_LENGTH]), (0, &HeaderValue::from(5)));
        }
    }
}
