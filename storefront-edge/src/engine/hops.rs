//! Requests that end here or ask about the way itself: `CONNECT`, `TRACE`, `OPTIONS`, `Max-Forwards` (RFC 9110 sections 7.6.2 and 9.3),
//! and the target `*`. Must not: look at other methods, for which `Max-Forwards` means nothing.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use http_cache_policy::Forwarded;

use super::{Payload, exchange::target, failing::failure};

const MAX_FORWARDS: HeaderName = header::MAX_FORWARDS;

/// What this end of the way can be asked, of any target.
const OWN_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Where a request goes from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Onward(Hops),
    /// It is answered here.
    Ends(StatusCode),
}

/// What is left of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hops {
    Unlimited,
    /// So many behind this one.
    Left(u64),
}

impl Way {
    /// `shows_way`: clients may be shown what stands between them and the origin, which `TRACE` does.
    pub(super) fn of(method: &Method, uri: &Uri, request: &HeaderMap, shows_way: bool) -> Self {
        // A cache is no tunnel.
        if *method == Method::CONNECT || (*method == Method::TRACE && !shows_way) {
            return Self::Ends(StatusCode::NOT_IMPLEMENTED);
        }
        // Only OPTIONS asks about the whole server (RFC 9112 section 3.2.4).
        if target(uri) == "*" && *method != Method::OPTIONS {
            return Self::Ends(StatusCode::BAD_REQUEST);
        }
        if !matches!(*method, Method::TRACE | Method::OPTIONS) {
            return Self::Onward(Hops::Unlimited);
        }
        let said = request.get(MAX_FORWARDS).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
        match said.map(|left| left.checked_sub(1)) {
            None => Self::Onward(Hops::Unlimited),
            Some(Some(left)) => Self::Onward(Hops::Left(left)),
            // The end of the way: what it can tell of itself is that it has no TRACE, and that it is there.
            Some(None) if *method == Method::TRACE => Self::Ends(StatusCode::NOT_IMPLEMENTED),
            Some(None) => Self::Ends(StatusCode::NO_CONTENT),
        }
    }
}

impl Hops {
    /// Tells the next one.
    pub(super) fn tell(self, request: &mut HeaderMap) {
        if let Self::Left(left) = self {
            request.insert(MAX_FORWARDS, HeaderValue::from(left));
        }
    }
}

/// The answer of this end of the way.
pub(super) fn ended(status: StatusCode, why: Forwarded) -> Response<Payload> {
    let mut answer = failure(status, why);
    if status == StatusCode::NO_CONTENT {
        answer.headers_mut().insert(header::ALLOW, OWN_METHODS);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn way(method: Method, at: &'static str, max_forwards: Option<&'static str>, shows_way: bool) -> Way {
        let headers = max_forwards.map(|said| (MAX_FORWARDS, HeaderValue::from_static(said)));
        Way::of(&method, &Uri::from_static(at), &HeaderMap::from_iter(headers), shows_way)
    }

    #[test]
    fn trace_and_options_go_so_many_steps_and_no_others() {
        let ends = |status: u16| Way::Ends(StatusCode::from_u16(status).unwrap());
        assert_eq!(way(Method::TRACE, "/", Some("0"), true), ends(501));
        assert_eq!(way(Method::OPTIONS, "/", Some("0"), true), ends(204));
        assert_eq!(way(Method::OPTIONS, "*", Some("0"), true), ends(204));
        assert_eq!(way(Method::OPTIONS, "/", Some("5"), true), Way::Onward(Hops::Left(4)));
        for (method, said) in [(Method::OPTIONS, Some("some")), (Method::GET, Some("0")), (Method::TRACE, None)] {
            assert_eq!(way(method, "/", said, true), Way::Onward(Hops::Unlimited));
        }
    }

    #[test]
    fn only_options_asks_about_the_server_and_nobody_is_tunnelled_or_shown_the_way() {
        let ends = |status: u16| Way::Ends(StatusCode::from_u16(status).unwrap());
        assert_eq!(way(Method::OPTIONS, "*", None, false), Way::Onward(Hops::Unlimited));
        assert_eq!(way(Method::POST, "*", None, true), ends(400));
        assert_eq!(way(Method::CONNECT, "shop.example:443", None, true), ends(501));
        assert_eq!(way(Method::TRACE, "/", None, false), ends(501));
    }
}
