//! The two questions of a cache: may this answer be kept, and may a kept one be used.

use http::{HeaderMap, Method, StatusCode, header};

use super::{Lifetime, directives::Directives};

/// What to do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Answer from the cache: fresh.
    Fresh { age_s: u64 },
    /// Answer from the cache although stale, and revalidate behind (RFC 5861 section 3).
    StaleWhileRevalidate { age_s: u64 },
    /// Ask the origin first.
    Ask(Fetch),
}

/// Why the origin is asked, and what the stored answer may still do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fetch {
    /// Nothing is stored.
    Miss,
    /// The stored answer is too old, or was purged softly; `usable_on_error` if the origin fails.
    Stale { usable_on_error: bool },
    /// The client or the origin wants to be asked each time.
    Required { usable_on_error: bool },
}

/// Why an answer is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotStored {
    Method,
    Status,
    NoStore,
    Private,
    Authorization,
    Personal,
    VaryAny,
    NoLifetime,
    TooLarge,
}

/// May a shared cache keep this answer (RFC 9111 section 3)? Answers that begin a session are never kept, whatever they say.
pub(crate) fn storable(
    method: &Method,
    request: &HeaderMap,
    status: StatusCode,
    answer: &HeaderMap,
) -> Result<Lifetime, NotStored> {
    let (asked, said) = (Directives::of(request), Directives::of(answer));
    if *method != Method::GET {
        return Err(NotStored::Method);
    }
    if !matches!(status.as_u16(), 200 | 203 | 204 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501) {
        return Err(NotStored::Status);
    }
    if said.has("no-store") || asked.has("no-store") {
        return Err(NotStored::NoStore);
    }
    if said.has("private") {
        return Err(NotStored::Private);
    }
    let shared = said.has("public") || said.has("s-maxage") || said.has("must-revalidate");
    if request.contains_key(header::AUTHORIZATION) && !shared {
        return Err(NotStored::Authorization);
    }
    if answer.contains_key(header::SET_COOKIE) {
        return Err(NotStored::Personal);
    }
    let varies = answer.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    if varies.flat_map(|list| list.split(',')).any(|name| name.trim() == "*") {
        return Err(NotStored::VaryAny);
    }
    let lifetime = Lifetime::of(answer);
    let validates = answer.contains_key(header::ETAG) || answer.contains_key(header::LAST_MODIFIED);
    if lifetime.fresh_s == 0 && !(lifetime.always_validate && validates) {
        return Err(NotStored::NoLifetime);
    }
    Ok(lifetime)
}

/// What to do with a stored answer that has been here for `resident_s` seconds (`None`: nothing is stored).
pub(crate) fn decide(request: &HeaderMap, stored: Option<(&Lifetime, u64)>, soft_purged: bool) -> Decision {
    let Some((lifetime, resident_s)) = stored else { return Decision::Ask(Fetch::Miss) };
    let asked = Directives::of(request);
    let age_s = lifetime.age_s(resident_s);
    let staleness_s = age_s.saturating_sub(lifetime.fresh_s);
    // A window of nothing allows nothing, not even the first second of staleness.
    let usable_on_error = lifetime.if_error_s > 0 && staleness_s <= lifetime.if_error_s;
    let too_old = asked.seconds("max-age").is_some_and(|most| age_s > most);
    if lifetime.always_validate || asked.has("no-cache") || too_old {
        return Decision::Ask(Fetch::Required { usable_on_error });
    }
    if soft_purged {
        return Decision::Ask(Fetch::Stale { usable_on_error });
    }
    match age_s < lifetime.fresh_s {
        true => Decision::Fresh { age_s },
        false if lifetime.while_revalidate_s > 0 && staleness_s <= lifetime.while_revalidate_s => {
            Decision::StaleWhileRevalidate { age_s }
        }
        false => Decision::Ask(Fetch::Stale { usable_on_error }),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    fn kept(answer: &[(HeaderName, &str)]) -> Result<Lifetime, NotStored> {
        storable(&Method::GET, &HeaderMap::new(), StatusCode::OK, &headers(answer))
    }

    #[test]
    fn personal_things_are_never_kept() {
        let public = (header::CACHE_CONTROL, "public, max-age=60");
        assert!(kept(std::slice::from_ref(&public)).is_ok());
        assert_eq!(kept(&[public.clone(), (header::SET_COOKIE, "session=x")]), Err(NotStored::Personal));
        assert_eq!(kept(&[(header::CACHE_CONTROL, "Private, max-age=60")]), Err(NotStored::Private));
        assert_eq!(kept(&[(header::CACHE_CONTROL, "max-age=60, NO-STORE")]), Err(NotStored::NoStore));
        assert_eq!(kept(&[public.clone(), (header::VARY, "accept, *")]), Err(NotStored::VaryAny));
        assert_eq!(kept(&[]), Err(NotStored::NoLifetime));
        let signed_in = headers(&[(header::AUTHORIZATION, "Bearer x")]);
        let answer = headers(&[(header::CACHE_CONTROL, "max-age=60")]);
        assert_eq!(storable(&Method::GET, &signed_in, StatusCode::OK, &answer), Err(NotStored::Authorization));
        assert_eq!(storable(&Method::POST, &HeaderMap::new(), StatusCode::OK, &answer), Err(NotStored::Method));
    }

    #[test]
    fn an_answer_ages_from_fresh_to_stale_to_error_only() {
        let lifetime =
            kept(&[(header::CACHE_CONTROL, "s-maxage=60, stale-while-revalidate=30, stale-if-error=300"), (header::AGE, "10")])
                .unwrap();
        let at = |resident| decide(&HeaderMap::new(), Some((&lifetime, resident)), false);
        assert_eq!(at(49), Decision::Fresh { age_s: 59 });
        assert_eq!(at(50), Decision::StaleWhileRevalidate { age_s: 60 });
        assert_eq!(at(81), Decision::Ask(Fetch::Stale { usable_on_error: true }));
        assert_eq!(at(351), Decision::Ask(Fetch::Stale { usable_on_error: false }));
        assert_eq!(decide(&HeaderMap::new(), Some((&lifetime, 0)), true), Decision::Ask(Fetch::Stale { usable_on_error: true }));
        let impatient = headers(&[(header::CACHE_CONTROL, "max-age=5")]);
        assert_eq!(decide(&impatient, Some((&lifetime, 0)), false), Decision::Ask(Fetch::Required { usable_on_error: true }));
    }

    proptest! {
        #[test]
        fn nothing_stale_is_ever_called_fresh(fresh in 0u64..1000, revalidate in 0u64..1000, age in 0u64..1000, resident in 0u64..3000) {
            let lifetime = Lifetime { fresh_s: fresh, while_revalidate_s: revalidate, if_error_s: 0, initial_age_s: age, always_validate: false };
            match decide(&HeaderMap::new(), Some((&lifetime, resident)), false) {
                Decision::Fresh { age_s } => prop_assert!(age_s == age + resident && age_s < fresh),
                Decision::StaleWhileRevalidate { age_s } => prop_assert!(revalidate > 0 && age_s >= fresh && age_s - fresh <= revalidate),
                Decision::Ask(_) => prop_assert!(age + resident >= fresh),
            }
        }

        #[test]
        fn no_header_text_makes_the_parser_panic(text in "[ -~]{0,80}") {
            if let Ok(value) = HeaderValue::from_str(&text) {
                let mut answer = HeaderMap::new();
                answer.insert(header::CACHE_CONTROL, value.clone());
                answer.insert(header::AGE, value);
                let _ = storable(&Method::GET, &answer, StatusCode::OK, &answer);
            }
        }
    }
}
