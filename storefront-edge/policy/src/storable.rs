//! May an answer be kept (RFC 9111 section 3)?

use http::{HeaderMap, HeaderName, Method, StatusCode, header};

use crate::{
    Directives, Lifetime, Profile, Times,
    conditional::{has_validator, is_conditional},
    freshness::is_heuristically_cacheable,
    invalidate::same_target,
    list,
};

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// Neither `GET`, nor a `POST` that answers for its own target (RFC 9110 section 9.3.3).
    Method,
    /// Interim, `304`, or not understood where it must be.
    Status,
    NoStore,
    /// The request says `no-store`.
    ClientForbids,
    Private,
    Authorization,
    /// It sets a cookie, and this profile keeps none.
    Cookie,
    /// `Vary: *` matches no other request.
    VaryAny,
    /// Nothing says how long it is good, nor could it be validated.
    NoLifetime,
}

/// An answer, and what it answers.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    pub method: &'a Method,
    /// Authority and path with query of the request.
    pub authority: &'a str,
    pub target: &'a str,
    pub request: &'a HeaderMap,
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    pub times: Times,
}

/// The lifetime under which a shared cache may keep the answer.
pub fn storable(profile: Profile, answer: &Answer<'_>) -> Result<Lifetime, NotStored> {
    let said = Directives::of_answer(answer.headers);
    permitted(profile, answer, &said)?;
    let lifetime = Lifetime::of(profile, answer.status, answer.headers, answer.times);
    if *answer.method == Method::POST {
        let explicit = Profile { heuristics: false, ..profile };
        let lifetime = Lifetime::of(explicit, answer.status, answer.headers, answer.times);
        return lifetime.ok_or(NotStored::NoLifetime);
    }
    let by_default = is_heuristically_cacheable(answer.status) || said.has("public");
    match lifetime {
        Some(lifetime) => Ok(lifetime),
        None if by_default && has_validator(answer.headers) => Ok(Lifetime::already_over(answer.headers, answer.times)),
        None => Err(NotStored::NoLifetime),
    }
}

fn permitted(profile: Profile, answer: &Answer<'_>, said: &Directives) -> Result<(), NotStored> {
    let own_target = || {
        let location = answer.headers.get(header::CONTENT_LOCATION).and_then(|value| value.to_str().ok());
        location.is_some_and(|location| same_target(answer.authority, answer.target, location))
    };
    match *answer.method {
        Method::GET => {}
        Method::POST if own_target() => {}
        _ => return Err(NotStored::Method),
    }
    let status = answer.status.as_u16();
    let understood = is_known(status);
    // The answer to one client's condition or range, which others have not.
    let of_one_client = match status {
        412 => is_conditional(answer.request),
        416 => answer.request.contains_key(header::RANGE),
        _ => false,
    };
    if status < 200 || status == 304 || of_one_client || (said.has("must-understand") && !understood) {
        return Err(NotStored::Status);
    }
    // `must-understand` is given with `no-store` for caches that do not know it (section 5.2.2.3).
    let overruled = said.has("must-understand") && understood;
    let client_forbids = profile.heeds_requests && Directives::of_request(answer.request).has("no-store");
    if said.has("no-store") && !overruled {
        return Err(NotStored::NoStore);
    }
    if client_forbids {
        return Err(NotStored::ClientForbids);
    }
    if said.has_unqualified("private") {
        return Err(NotStored::Private);
    }
    let shared = said.has("public") || said.has("s-maxage") || said.has("must-revalidate");
    if answer.request.contains_key(header::AUTHORIZATION) && !shared {
        return Err(NotStored::Authorization);
    }
    if !profile.stores_set_cookie && answer.headers.contains_key(header::SET_COOKIE) {
        return Err(NotStored::Cookie);
    }
    let varies = answer.headers.get_all(header::VARY).iter();
    // What is no name of a field cannot be matched against; `*` is none either.
    let unmatched = |name: &str| name.parse::<HeaderName>().is_err() || name == "*";
    if varies.map(|line| line.to_str().unwrap_or("*")).flat_map(list::split).any(unmatched) {
        return Err(NotStored::VaryAny);
    }
    Ok(())
}

/// Status codes whose caching this module knows all about (RFC 9110 section 15; 206 in parts, see `range`).
fn is_known(status: u16) -> bool {
    matches!(status, 200..=206 | 300..=303 | 305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 428 | 429 | 431 | 451 | 500..=505)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn asked(
        method: &Method,
        request: &[(&'static str, &'static str)],
        status: u16,
        headers: &[(&'static str, &'static str)],
    ) -> Result<(), NotStored> {
        let map = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect::<HeaderMap>()
        };
        let (request, headers) = (map(request), map(headers));
        let (status, times) = (StatusCode::from_u16(status).unwrap(), Times { asked_ms: 0, answered_ms: 0 });
        let answer = Answer { method, authority: "shop", target: "/a?b", request: &request, status, headers: &headers, times };
        let strict = storable(Profile::STOREFRONT, &answer).map(|_| ());
        let lenient = storable(Profile::RFC, &answer).map(|_| ());
        match strict {
            Err(NotStored::Cookie) => assert_eq!(lenient, Ok(())),
            _ => assert!(lenient == strict || lenient == Err(NotStored::ClientForbids)),
        }
        if request.get("cache-control").is_some() { lenient } else { strict }
    }

    #[test]
    fn what_is_not_for_everybody_is_never_kept() {
        let get = |request, headers| asked(&Method::GET, request, 200, headers);
        assert_eq!(get(&[], &[("cache-control", "public, max-age=60")]), Ok(()));
        assert_eq!(get(&[], &[("cache-control", "max-age=60"), ("set-cookie", "session=x")]), Err(NotStored::Cookie));
        assert_eq!(get(&[], &[("cache-control", "Private, max-age=60")]), Err(NotStored::Private));
        assert_eq!(get(&[], &[("cache-control", "private=\"set-cookie\", max-age=60")]), Ok(()));
        assert_eq!(get(&[], &[("cache-control", "max-age=60, NO-STORE")]), Err(NotStored::NoStore));
        assert_eq!(get(&[("cache-control", "no-store")], &[("cache-control", "max-age=60")]), Err(NotStored::ClientForbids));
        assert_eq!(get(&[], &[("cache-control", "max-age=60"), ("vary", "accept, a b")]), Err(NotStored::VaryAny));
        assert_eq!(get(&[], &[("cache-control", "max-age=60"), ("vary", "accept, *")]), Err(NotStored::VaryAny));
        assert_eq!(get(&[("authorization", "x")], &[("cache-control", "max-age=60")]), Err(NotStored::Authorization));
        assert_eq!(get(&[("authorization", "x")], &[("cache-control", "s-maxage=60")]), Ok(()));
        assert_eq!(get(&[], &[]), Err(NotStored::NoLifetime));
        assert_eq!(get(&[], &[("etag", "\"1\"")]), Ok(()));
    }

    #[test]
    fn any_final_status_with_a_lifetime_is_kept_and_others_by_what_they_are() {
        let with = |status, headers| asked(&Method::GET, &[], status, headers);
        for status in [200, 201, 302, 404, 418, 500, 599] {
            assert_eq!(with(status, &[("cache-control", "max-age=60")]), Ok(()), "{status}");
        }
        for (status, asked_for) in [(412, ("if-match", "x")), (416, ("range", "bytes=9-"))] {
            assert_eq!(with(status, &[("cache-control", "max-age=60")]), Ok(()), "{status}");
            let one = asked(&Method::GET, &[asked_for], status, &[("cache-control", "max-age=60")]);
            assert_eq!(one, Err(NotStored::Status), "{status} is one client's");
        }
        assert_eq!(with(304, &[("cache-control", "max-age=60")]), Err(NotStored::Status));
        assert_eq!(with(302, &[("etag", "\"1\"")]), Err(NotStored::NoLifetime));
        assert_eq!(with(200, &[("cache-control", "no-store, must-understand, max-age=60")]), Ok(()));
        assert_eq!(with(499, &[("cache-control", "no-store, must-understand, max-age=60")]), Err(NotStored::Status));
    }

    #[test]
    fn a_post_is_kept_only_when_it_answers_for_its_target() {
        let post = |headers| asked(&Method::POST, &[], 200, headers);
        assert_eq!(post(&[("cache-control", "max-age=60"), ("content-location", "/a?b")]), Ok(()));
        assert_eq!(post(&[("cache-control", "max-age=60"), ("content-location", "/c")]), Err(NotStored::Method));
        assert_eq!(post(&[("etag", "\"1\""), ("content-location", "http://shop/a?b")]), Err(NotStored::NoLifetime));
        assert_eq!(asked(&Method::PUT, &[], 200, &[("cache-control", "max-age=60")]), Err(NotStored::Method));
    }
}
