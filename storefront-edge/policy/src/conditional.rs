//! Conditional requests (RFC 9110 section 13), those of clients and our own (RFC 9111 section 4.3).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{date::parse_http_date, list};

/// Fields that make a request conditional.
const CONDITIONS: [HeaderName; 5] =
    [header::IF_MATCH, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE, header::IF_UNMODIFIED_SINCE, header::IF_RANGE];

pub fn is_conditional(request: &HeaderMap) -> bool {
    CONDITIONS.iter().any(|name| request.contains_key(name))
}

/// Whether a cache may look at the conditions at all: `If-Match` and `If-Unmodified-Since` are for the origin (section 4.3.2).
pub fn may_answer_conditions(request: &HeaderMap) -> bool {
    !request.contains_key(header::IF_MATCH) && !request.contains_key(header::IF_UNMODIFIED_SINCE)
}

/// Whether the client has this answer already (section 4.3.2). `received_ms` stands in for dates that the answer lacks.
pub fn not_modified(request: &HeaderMap, answer: &HeaderMap, received_ms: u64) -> bool {
    if request.contains_key(header::IF_NONE_MATCH) {
        let etag = answer.get(header::ETAG).map(list::text);
        let known = |tag: &str| tag == "*" || etag.as_deref().is_some_and(|etag| opaque(tag) == opaque(etag));
        return request.get_all(header::IF_NONE_MATCH).iter().any(|line| list::split(&list::text(line)).any(known));
    }
    // Two dates are no date (section 13.1.3).
    if request.get_all(header::IF_MODIFIED_SINCE).iter().nth(1).is_some() {
        return false;
    }
    let now_s = received_ms / 1_000;
    let date = |headers: &HeaderMap, name| text(headers, name).and_then(|text| parse_http_date(text, now_s));
    let Some(since_s) = date(request, &header::IF_MODIFIED_SINCE) else { return false };
    let modified_s = date(answer, &header::LAST_MODIFIED).or_else(|| date(answer, &header::DATE)).unwrap_or(now_s);
    modified_s <= since_s
}

/// Weak comparison leaves the `W/` out (section 8.8.3.2).
fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether the answer can be validated.
pub fn has_validator(answer: &HeaderMap) -> bool {
    answer.contains_key(header::ETAG) || answer.contains_key(header::LAST_MODIFIED)
}

/// Replaces the conditions of a request by those that validate a stored answer (section 4.3.1). False when it has no validator.
pub fn validation(request: &mut HeaderMap, stored: &HeaderMap) -> bool {
    for name in CONDITIONS {
        request.remove(name);
    }
    let pairs = [(header::IF_NONE_MATCH, header::ETAG), (header::IF_MODIFIED_SINCE, header::LAST_MODIFIED)];
    for (condition, validator) in pairs {
        if let Some(value) = stored.get(validator) {
            request.insert(condition, value.clone());
        }
    }
    has_validator(stored)
}

/// Whether two answers are byte for byte the same (section 8.8.3.2, strong comparison).
pub fn same_strong_validator(a: &HeaderMap, b: &HeaderMap) -> bool {
    let strong = |headers: &HeaderMap| headers.get(header::ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/")).cloned();
    strong(a).is_some_and(|etag: HeaderValue| strong(b) == Some(etag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn etags_win_over_dates_and_are_compared_weakly() {
        let day = "Sun, 06 Nov 1994 08:49:37 GMT";
        let answer = map(&[(header::ETAG, "\"a,b\""), (header::LAST_MODIFIED, day)]);
        let unchanged = |pairs: &[_]| not_modified(&map(pairs), &answer, 0);
        assert!(unchanged(&[(header::IF_NONE_MATCH, "\"x\", W/\"a,b\"")]));
        assert!(unchanged(&[(header::IF_NONE_MATCH, "*")]));
        assert!(!unchanged(&[(header::IF_NONE_MATCH, "\"x\""), (header::IF_MODIFIED_SINCE, day)]));
        assert!(unchanged(&[(header::IF_MODIFIED_SINCE, day)]));
        assert!(!unchanged(&[(header::IF_MODIFIED_SINCE, "Sun, 06 Nov 1994 08:49:36 GMT")]));
        assert!(!unchanged(&[(header::IF_MODIFIED_SINCE, "yesterday")]) && !unchanged(&[]));
        let mut asked = map(&[(header::IF_NONE_MATCH, "\"mine\""), (header::IF_RANGE, "\"mine\"")]);
        assert!(validation(&mut asked, &answer));
        assert_eq!(asked, map(&[(header::IF_NONE_MATCH, "\"a,b\""), (header::IF_MODIFIED_SINCE, day)]));
    }
}
