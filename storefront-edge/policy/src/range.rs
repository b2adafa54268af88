//! Parts of answers (RFC 9110 section 14, RFC 9111 sections 3.3 and 3.4).

use http::{HeaderMap, HeaderValue, header};

use crate::date::parse_http_date;

/// Bytes that are here of a complete answer: `first..=last` of `complete`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub first: u64,
    pub last: u64,
    pub complete: u64,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Everything: there is no `Range`, or one that may be ignored (several ranges, another unit, not readable).
    All,
    /// `bytes=first-` or `bytes=first-last`
    From { first: u64, last: Option<u64> },
    /// `bytes=-length`: so many from the end.
    Suffix { length: u64 },
}

/// What that means for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ranged {
    All,
    Part(Part),
    /// `416` with `Content-Range: bytes */complete`.
    Unsatisfiable {
        complete: u64,
    },
}

/// Reads `Range` (section 14.2).
pub fn asked_range(request: &HeaderMap) -> Asked {
    let mut lines = request.get_all(header::RANGE).iter();
    let (Some(line), None) = (lines.next().and_then(|line| line.to_str().ok()), lines.next()) else { return Asked::All };
    let Some((unit, range)) = line.split_once('=') else { return Asked::All };
    let (Some((first, last)), true) = (range.trim().split_once('-'), unit.trim().eq_ignore_ascii_case("bytes")) else {
        return Asked::All;
    };
    let number = |text: &str| (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten();
    match (number(first), number(last), first.is_empty(), last.is_empty()) {
        (Some(first), None, _, true) => Asked::From { first, last: None },
        (Some(first), Some(last), ..) if first <= last => Asked::From { first, last: Some(last) },
        (None, Some(length), true, _) => Asked::Suffix { length },
        _ => Asked::All,
    }
}

/// The part that is asked for of `complete` bytes.
pub fn ranged(asked: Asked, complete: u64) -> Ranged {
    let (first, last) = match asked {
        Asked::All => return Ranged::All,
        Asked::From { first, last } => (first, last.unwrap_or(u64::MAX)),
        Asked::Suffix { length: 0 } => return Ranged::Unsatisfiable { complete },
        Asked::Suffix { length } => (complete.saturating_sub(length), u64::MAX),
    };
    match complete.checked_sub(1) {
        Some(end) if first <= end => Ranged::Part(Part { first, last: last.min(end), complete }),
        _ => Ranged::Unsatisfiable { complete },
    }
}

/// Whether `If-Range` still lets the range count (section 13.1.5): strong comparison, or the very date.
pub fn range_still_applies(request: &HeaderMap, answer: &HeaderMap) -> bool {
    let Some(condition) = request.get(header::IF_RANGE) else { return true };
    let Ok(text) = condition.to_str() else { return false };
    if text.starts_with('"') {
        return answer.get(header::ETAG) == Some(condition);
    }
    let date = |value: Option<&HeaderValue>| value.and_then(|value| parse_http_date(value.to_str().ok()?, 0));
    let modified = date(answer.get(header::LAST_MODIFIED));
    modified.is_some() && modified == parse_http_date(text, 0)
}

/// Reads `Content-Range: bytes first-last/complete` of a `206`; `None` when the length is not told or it makes no sense.
pub fn content_range(answer: &HeaderMap) -> Option<Part> {
    let range = answer.get(header::CONTENT_RANGE)?.to_str().ok()?.trim();
    let (positions, complete) = range.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = positions.split_once('-')?;
    let part =
        Part { first: first.trim().parse().ok()?, last: last.trim().parse().ok()?, complete: complete.trim().parse().ok()? };
    (part.first <= part.last && part.last < part.complete).then_some(part)
}

impl Part {
    /// Whether all bytes of `other` are here.
    pub fn holds(&self, other: &Self) -> bool {
        self.complete == other.complete && self.first <= other.first && other.last <= self.last
    }

    pub fn is_everything(&self) -> bool {
        self.first == 0 && self.last + 1 == self.complete
    }

    /// `Content-Range` of a `206`.
    pub fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("bytes {}-{}/{}", self.first, self.last, self.complete)).ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn asked(range: &'static str) -> Asked {
        asked_range(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]))
    }

    #[test]
    fn one_range_of_bytes_is_read_and_anything_else_means_all() {
        assert_eq!(asked("bytes=0-4"), Asked::From { first: 0, last: Some(4) });
        assert_eq!(asked("Bytes= 5-"), Asked::From { first: 5, last: None });
        assert_eq!(asked("bytes=-3"), Asked::Suffix { length: 3 });
        for ignored in ["bytes=4-0", "bytes=-", "bytes=0-1,3-4", "lines=0-1", "bytes", "bytes=a-b", "bytes=1-b"] {
            assert_eq!(asked(ignored), Asked::All, "{ignored}");
        }
        assert_eq!(ranged(asked("bytes=-3"), 2), Ranged::Part(Part { first: 0, last: 1, complete: 2 }));
        assert_eq!(ranged(asked("bytes=2-"), 2), Ranged::Unsatisfiable { complete: 2 });
        assert_eq!(ranged(asked("bytes=-0"), 2), Ranged::Unsatisfiable { complete: 2 });
    }

    #[test]
    fn if_range_compares_strongly() {
        let map = |name, value| HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        let applies = |condition, name, value| range_still_applies(&map(header::IF_RANGE, condition), &map(name, value));
        assert!(applies("\"1\"", header::ETAG, "\"1\"") && !applies("\"1\"", header::ETAG, "\"2\""));
        assert!(!applies("W/\"1\"", header::ETAG, "W/\"1\""));
        let day = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert!(
            applies(day, header::LAST_MODIFIED, day) && !applies(day, header::LAST_MODIFIED, "Sun, 06 Nov 1994 08:49:38 GMT")
        );
    }

    proptest! {
        #[test]
        fn a_part_lies_within_and_is_told_as_it_is(first in 0u64..50, length in 0u64..50, complete in 1u64..50, suffix: bool) {
            let asked = if suffix { Asked::Suffix { length } } else { Asked::From { first, last: Some(first + length) } };
            match ranged(asked, complete) {
                Ranged::Part(part) => {
                    prop_assert!(part.first <= part.last && part.last < complete);
                    let told = HeaderMap::from_iter([(header::CONTENT_RANGE, part.header().unwrap())]);
                    prop_assert_eq!(content_range(&told), Some(part));
                }
                Ranged::Unsatisfiable { .. } => prop_assert!((suffix && length == 0) || (!suffix && first >= complete)),
                Ranged::All => prop_assert!(false),
            }
        }
    }
}
