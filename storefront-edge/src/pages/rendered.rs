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

use crate::{
    cache::written,
    coding::{self, Coding, Effort},
};

/// Headers that describe a body (RFC 9110 section 15.4.5: a 304 carries no others of them than the validators).
const OF_A_BODY: [header::HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];

/// Made once, sent many times. Its codings are made when somebody first asks for them.
#[derive(Debug)]
pub(crate) struct Rendered {
    plain: Form,
    coded: [OnceLock<Option<Form>>; 3],
}

/// A page in one coding.
#[derive(Debug)]
struct Form {
    /// With `ETag`, `Content-Length`, `Cache-Control`, `Cache-Status`, `Age` and all that browsers are told about safety.
    headers: HeaderMap,
    body: Bytes,
    /// Of the answer to whom has it already.
    unchanged: HeaderMap,
    /// Status line and fields as they go over the wire.
    head: OnceLock<Box<[u8]>>,
}

impl Form {
    fn new(mut headers: HeaderMap, body: Bytes) -> Self {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        let mut unchanged = headers.clone();
        for name in OF_A_BODY {
            unchanged.remove(name);
        }
        Self { headers, body, unchanged, head: OnceLock::new() }
    }
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
        headers.append(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
        Self { plain: Form::new(headers, body), coded: Default::default() }
    }

    /// The page without a coding.
    pub(super) fn plain(&self) -> (&HeaderMap, &Bytes) {
        (&self.plain.headers, &self.plain.body)
    }

    fn form(&self, coding: Coding) -> &Form {
        let Some(place) = self.coded.get(coding as usize) else { return &self.plain };
        place.get_or_init(|| self.code(coding)).as_ref().unwrap_or(&self.plain)
    }

    fn code(&self, coding: Coding) -> Option<Form> {
        if !coding::is_worth_it(&self.plain.headers, &self.plain.body) {
            return None;
        }
        let body = coding::encode_as(coding, &self.plain.body, Effort::Often)?;
        let mut headers = self.plain.headers.clone();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
        if let Some(etag) = headers.get(header::ETAG).and_then(|etag| coding.etag(etag)) {
            headers.insert(header::ETAG, etag);
        }
        Some(Form::new(headers, body))
    }

    /// Writes status line and fields of HTTP/1.1 without the empty line that ends them; gives the body.
    pub(crate) fn write(&self, coding: Coding, into: &mut Vec<u8>) -> &Bytes {
        let form = self.form(coding);
        into.extend_from_slice(form.head.get_or_init(|| written(StatusCode::OK, &form.headers)));
        into.extend_from_slice(b"date: ");
        DATE.with_borrow_mut(|date| into.extend_from_slice(date.now().as_bytes()));
        into.extend_from_slice(b"\r\n");
        &form.body
    }

    /// For `GET` or `HEAD`, in the best coding that the client takes, and for whoever has it already.
    pub(crate) fn give(&self, method: &Method, request: &HeaderMap) -> Given<'_> {
        let form = self.form(coding::best(request));
        if request.contains_key(header::IF_NONE_MATCH) && form.headers.get(header::ETAG).is_some_and(|tag| has(request, tag)) {
            return Given { status: StatusCode::NOT_MODIFIED, headers: &form.unchanged, body: Bytes::new() };
        }
        let body = if *method == Method::HEAD { Bytes::new() } else { form.body.clone() };
        Given { status: StatusCode::OK, headers: &form.headers, body }
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
        rendered().write(Coding::Identity, &mut head);
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\netag: W/\"one\"\r\n"), "{head}");
        assert!(head.contains("content-length: 5\r\ndate: ") && head.ends_with(" GMT\r\n"), "{head}");
    }

    #[test]
    fn a_coding_is_made_for_who_takes_it_and_has_a_tag_of_its_own() {
        let page = Rendered::new(rendered().plain().0.clone(), "a page of text ".repeat(200).into());
        let takes = |value| HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        for (takes, coding, tag) in [
            (takes("gzip, br, zstd"), Some("zstd"), "W/\"one-zstd\""),
            (takes("gzip, br"), Some("br"), "W/\"one-br\""),
            (takes("gzip"), Some("gzip"), "W/\"one-gzip\""),
            (takes("identity"), None, "W/\"one\""),
        ] {
            let given = page.give(&Method::GET, &takes);
            assert_eq!(given.headers.get(header::CONTENT_ENCODING).map(|coding| coding.to_str().unwrap()), coding);
            assert_eq!(
                (given.headers[header::ETAG].to_str().unwrap(), given.headers[header::VARY].to_str().unwrap()),
                (tag, "accept-encoding")
            );
            assert_eq!(
                (given.body.len() < 200, given.headers[header::CONTENT_LENGTH].clone()),
                (coding.is_some(), given.body.len().into())
            );
        }
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
