//! Answers as bytes: version, status, lifetime, fields, body; numbers big-endian. A change of the layout is another version.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use http_cache_policy::Lifetime;

pub(super) const VERSION: u8 = 1;

/// Fields of one answer; the head of an answer has no more.
const MAX_FIELDS: usize = 1_024;

const STRICT: u8 = 1;
const ALWAYS_VALIDATE: u8 = 2;

#[derive(Debug)]
pub(crate) struct Wire {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) lifetime: Lifetime,
    pub(crate) body: Bytes,
}

pub(super) fn encode(status: StatusCode, headers: &HeaderMap, lifetime: &Lifetime, body: &[u8]) -> Vec<u8> {
    let mut out = vec![VERSION];
    out.extend_from_slice(&status.as_u16().to_be_bytes());
    let flags = if lifetime.strict { STRICT } else { 0 } | if lifetime.always_validate { ALWAYS_VALIDATE } else { 0 };
    out.push(flags);
    let times =
        [lifetime.fresh_s, lifetime.while_revalidate_s, lifetime.if_error_s, lifetime.initial_age_ms, lifetime.answered_ms];
    for time in times {
        out.extend_from_slice(&time.to_be_bytes());
    }
    out.extend_from_slice(&(u32::try_from(headers.len()).unwrap_or(u32::MAX)).to_be_bytes());
    for (name, value) in headers {
        text(&mut out, name.as_str().as_bytes());
        text(&mut out, value.as_bytes());
    }
    out.extend_from_slice(body);
    out
}

fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// `None` for another version, and for what is no answer.
pub(super) fn decode(bytes: &[u8]) -> Option<Wire> {
    let mut rest = Rest(bytes);
    if rest.take(1)? != [VERSION] {
        return None;
    }
    let status = super::status(u16::from_be_bytes(rest.take(2)?.try_into().ok()?))?;
    let flags = *rest.take(1)?.first()?;
    let lifetime = Lifetime {
        fresh_s: rest.long()?,
        while_revalidate_s: rest.long()?,
        if_error_s: rest.long()?,
        strict: flags & STRICT != 0,
        always_validate: flags & ALWAYS_VALIDATE != 0,
        initial_age_ms: rest.long()?,
        answered_ms: rest.long()?,
    };
    let count = rest.length()?;
    let mut headers = HeaderMap::new();
    for _ in 0..Some(count).filter(|count| *count <= MAX_FIELDS)? {
        let name = HeaderName::from_bytes(rest.text()?).ok()?;
        headers.append(name, HeaderValue::from_bytes(rest.text()?).ok()?);
    }
    Some(Wire { status, headers, lifetime, body: Bytes::copy_from_slice(rest.0) })
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn long(&mut self) -> Option<u64> {
        Some(u64::from_be_bytes(self.take(8)?.try_into().ok()?))
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_be_bytes(self.take(4)?.try_into().ok()?)).ok()
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        self.take(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Lifetime = Lifetime {
        fresh_s: 60,
        while_revalidate_s: 5,
        if_error_s: 600,
        strict: true,
        always_validate: false,
        initial_age_ms: 7,
        answered_ms: 1_795_000_000_000,
    };

    /// Edges of two versions run beside each other: bytes of version 1 stay as they are.
    const GOLDEN: &[u8] = b"\x01\x00\xc8\x01\
        \x00\x00\x00\x00\x00\x00\x00\x3c\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x02\x58\
        \x00\x00\x00\x00\x00\x00\x00\x07\x00\x00\x01\xa1\xee\x56\x5e\x00\
        \x00\x00\x00\x01\x00\x00\x00\x04etag\x00\x00\x00\x03\"a\"body";

    #[test]
    fn bytes_of_this_version_never_change() {
        let headers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("\"a\""))]);
        let bytes = encode(StatusCode::OK, &headers, &LIFETIME, b"body");
        assert_eq!(bytes.escape_ascii().to_string(), GOLDEN.escape_ascii().to_string());
        let wire = decode(GOLDEN).unwrap();
        assert_eq!((wire.status, wire.headers, &wire.body[..]), (StatusCode::OK, headers, &b"body"[..]));
        assert_eq!(wire.lifetime, LIFETIME);
    }

    #[test]
    fn another_version_and_what_is_cut_off_is_no_answer() {
        let mut newer = GOLDEN.to_vec();
        newer[0] = VERSION + 1;
        assert!(decode(&newer).is_none());
        let head = GOLDEN.len() - b"body".len();
        assert!((0..head).all(|end| decode(&GOLDEN[..end]).is_none()));
    }
}
