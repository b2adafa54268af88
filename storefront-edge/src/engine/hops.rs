//! `Max-Forwards` of `TRACE` and `OPTIONS` (RFC 9110 section 7.6.2). Must not: look at other methods, for which it means nothing.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

const MAX_FORWARDS: HeaderName = header::MAX_FORWARDS;

/// What is left of a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hops {
    Unlimited,
    /// It ends here, and is answered here.
    Last,
    /// So many behind this one.
    Left(u64),
}

impl Hops {
    pub(super) fn of(method: &Method, request: &HeaderMap) -> Self {
        if !matches!(*method, Method::TRACE | Method::OPTIONS) {
            return Self::Unlimited;
        }
        let said = request.get(MAX_FORWARDS).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
        match said.map(|left| left.checked_sub(1)) {
            None => Self::Unlimited,
            Some(None) => Self::Last,
            Some(Some(left)) => Self::Left(left),
        }
    }

    /// Tells the next one.
    pub(super) fn tell(self, request: &mut HeaderMap) {
        if let Self::Left(left) = self {
            request.insert(MAX_FORWARDS, HeaderValue::from(left));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_and_options_go_so_many_steps_and_no_others() {
        let hops = |method: Method, said: &'static str| {
            Hops::of(&method, &HeaderMap::from_iter([(MAX_FORWARDS, HeaderValue::from_static(said))]))
        };
        assert_eq!(hops(Method::TRACE, "0"), Hops::Last);
        assert_eq!(hops(Method::OPTIONS, "5"), Hops::Left(4));
        assert_eq!(hops(Method::OPTIONS, "some"), Hops::Unlimited);
        assert_eq!(hops(Method::GET, "0"), Hops::Unlimited);
        assert_eq!(Hops::of(&Method::TRACE, &HeaderMap::new()), Hops::Unlimited);
    }
}
