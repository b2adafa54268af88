//! Which fields of a message travel on, and which of those may be stored (RFC 9110 section 7.6.1, RFC 9111 section 3.1).

use http::{HeaderMap, HeaderName, header};

use crate::{Directives, list};

/// Fields of one connection, not of the message.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The fields that travel on: not those of the connection, nor those that `Connection` names.
pub fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut kept = headers.clone();
    for line in headers.get_all(header::CONNECTION) {
        for name in list::split(&list::text(line)).filter_map(|name| name.parse::<HeaderName>().ok()) {
            // Who is asked is the message's own, whatever its connection says.
            if name != header::HOST {
                kept.remove(name);
            }
        }
    }
    for name in HOP_BY_HOP {
        kept.remove(name);
    }
    kept
}

/// The fields of an answer that a shared cache may store: not those that a qualified `no-cache` or `private` names
/// (sections 5.2.2.4 and 5.2.2.7). `headers` travelled end to end.
pub fn without_unstorable(mut headers: HeaderMap) -> HeaderMap {
    let said = Directives::of_answer(&headers);
    for name in said.fields("no-cache").into_iter().chain(said.fields("private")) {
        headers.remove(name);
    }
    headers
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn fields_of_the_connection_and_private_ones_stay_behind() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("close, X-Secret"));
        headers.insert("x-secret", HeaderValue::from_static("1"));
        headers.insert("x-mine", HeaderValue::from_static("1"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private=\"X-Mine\", max-age=1"));
        let kept = end_to_end(&headers);
        assert_eq!(kept.keys().collect::<Vec<_>>(), ["x-mine", "cache-control"]);
        assert_eq!(without_unstorable(kept).keys().collect::<Vec<_>>(), ["cache-control"]);
    }
}
