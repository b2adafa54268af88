//! What a `304`, or the answer to a `HEAD`, does to stored answers (RFC 9111 sections 3.2, 4.3.4 and 4.3.5).

use http::{HeaderMap, header};

use crate::conditional::has_validator;

/// Whether a `304` speaks of this stored answer (section 4.3.4). One without validators speaks of the answer it was asked about.
pub fn selected_by_304(stored: &HeaderMap, not_modified: &HeaderMap) -> bool {
    match (not_modified.get(header::ETAG), stored.get(header::ETAG)) {
        (Some(new), Some(old)) if !new.as_bytes().starts_with(b"W/") => new == old,
        (Some(new), Some(old)) => {
            new.as_bytes().strip_prefix(b"W/") == Some(old.as_bytes().strip_prefix(b"W/").unwrap_or(old.as_bytes()))
        }
        (Some(_), None) => false,
        (None, _) if !has_validator(not_modified) => true,
        (None, _) => not_modified.get(header::LAST_MODIFIED) == stored.get(header::LAST_MODIFIED),
    }
}

/// The stored fields, each that the new answer has replaced by all its lines (section 3.2). What describes the stored bytes stays:
/// their length, their coding, which part they are.
pub fn freshened(stored: &HeaderMap, new: &HeaderMap) -> HeaderMap {
    let of_the_bytes = [header::CONTENT_LENGTH, header::CONTENT_ENCODING, header::CONTENT_RANGE, header::TRANSFER_ENCODING];
    let mut fields = stored.clone();
    // Of the answer that was stored; the new one begins a new age.
    fields.remove(header::AGE);
    for name in new.keys().filter(|name| !of_the_bytes.contains(name)) {
        fields.remove(name);
        for value in new.get_all(name) {
            fields.append(name.clone(), value.clone());
        }
    }
    fields
}

/// Whether the answer to a `HEAD` shows that the stored answer to a `GET` is still the same (section 4.3.5).
pub fn head_agrees(stored: &HeaderMap, head: &HeaderMap) -> bool {
    let agrees = |name| head.get(&name).is_none_or(|value| stored.get(&name) == Some(value));
    agrees(header::ETAG) && agrees(header::LAST_MODIFIED) && agrees(header::CONTENT_LENGTH)
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn map(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_304_speaks_of_what_has_its_validator() {
        let stored = map(&[(header::ETAG, "W/\"1\""), (header::LAST_MODIFIED, "x")]);
        assert!(selected_by_304(&stored, &map(&[(header::ETAG, "W/\"1\"")])));
        assert!(!selected_by_304(&stored, &map(&[(header::ETAG, "\"1\"")])));
        assert!(!selected_by_304(&stored, &map(&[(header::ETAG, "W/\"2\""), (header::LAST_MODIFIED, "x")])));
        assert!(selected_by_304(&stored, &map(&[(header::LAST_MODIFIED, "x")])));
        assert!(!selected_by_304(&stored, &map(&[(header::LAST_MODIFIED, "y")])));
        assert!(selected_by_304(&stored, &map(&[])));
    }

    #[test]
    fn fields_are_replaced_line_by_line_but_not_those_of_the_bytes() {
        let stored = map(&[(header::CONTENT_LENGTH, "5"), (header::SERVER, "a"), (header::VARY, "x"), (header::AGE, "9")]);
        let new = map(&[(header::CONTENT_LENGTH, "0"), (header::SERVER, "b"), (header::SERVER, "c"), (header::WARNING, "w")]);
        let expected = [
            (header::CONTENT_LENGTH, "5"),
            (header::SERVER, "b"),
            (header::SERVER, "c"),
            (header::VARY, "x"),
            (header::WARNING, "w"),
        ];
        assert_eq!(freshened(&stored, &new), map(&expected));
        assert!(head_agrees(&stored, &map(&[(header::CONTENT_LENGTH, "5")])));
        assert!(!head_agrees(&stored, &map(&[(header::CONTENT_LENGTH, "6")])));
    }
}
