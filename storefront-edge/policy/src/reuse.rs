//! May a stored answer be used for a request (RFC 9111 section 4, RFC 5861)?

use http::HeaderMap;

use crate::{Directives, Lifetime, Profile};

/// What to do for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Answer with what is stored.
    Serve(Reason),
    /// Ask the origin first.
    Forward { why: Why, stands_in: StandsIn },
    /// `only-if-cached`, and nothing usable is stored: `504` (section 5.2.1.7).
    Refuse,
}

/// Why a stored answer may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    Fresh,
    /// Stale, and validated behind (RFC 5861 section 3).
    StaleWhileRevalidate,
    /// Stale, and the client takes it so (`max-stale`, section 5.2.1.2).
    MaxStale,
}

/// Why the origin is asked. The names are those of RFC 9211 section 2.2 where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    UriMiss,
    VaryMiss,
    Stale,
    /// The client wants it so.
    Request,
    /// The answer says `no-cache`.
    NoCache,
    /// Purged softly: kept only in case the origin fails.
    Purged,
}

/// When the stored answer may stand in for one that does not come (section 4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandsIn {
    Never,
    /// The origin cannot be reached, or breaks off.
    WhenUnreachable,
    /// Also when it answers 500, 502, 503 or 504 (RFC 5861 section 4).
    OnError,
}

/// Decides for a stored answer that matches the request's target and selecting fields; `purged` if it was purged softly.
pub fn decide(profile: Profile, request: &HeaderMap, stored: &Lifetime, purged: bool, now_ms: u64) -> Decision {
    let none = Directives::default();
    let asked = if profile.heeds_requests { &Directives::of_request(request) } else { &none };
    let forward = |why| match asked.has("only-if-cached") {
        true => Decision::Refuse,
        false => Decision::Forward { why, stands_in: stands_in(asked, stored, why, now_ms) },
    };
    let (age_ms, fresh) = (stored.age_ms(now_ms), stored.is_fresh(now_ms));
    if stored.always_validate {
        return forward(Why::NoCache);
    }
    if asked.has("no-cache") {
        return forward(Why::Request);
    }
    if purged {
        return forward(Why::Purged);
    }
    let left_ms = (stored.fresh_s * 1_000).saturating_sub(age_ms);
    let too_old = asked.seconds("max-age").is_some_and(|most_s| most_s == 0 || age_ms > most_s * 1_000);
    let too_short = asked.seconds("min-fresh").is_some_and(|least_s| left_ms < least_s * 1_000);
    let takes_stale = !stored.strict
        && asked.optional_seconds("max-stale").is_some_and(|most_s| {
            // Without an argument any staleness is taken (section 5.2.1.2).
            most_s.is_none_or(|most_s| stored.staleness_ms(now_ms) <= most_s * 1_000)
        });
    match () {
        () if too_short || (too_old && (fresh || !takes_stale)) => forward(Why::Request),
        () if fresh => Decision::Serve(Reason::Fresh),
        () if takes_stale => Decision::Serve(Reason::MaxStale),
        () if within(stored.while_revalidate_s, stored, now_ms) => Decision::Serve(Reason::StaleWhileRevalidate),
        () => forward(Why::Stale),
    }
}

/// A window of nothing allows nothing, not even the first moment of staleness.
fn within(window_s: u64, stored: &Lifetime, now_ms: u64) -> bool {
    window_s > 0 && stored.staleness_ms(now_ms) < window_s * 1_000
}

fn stands_in(asked: &Directives, stored: &Lifetime, why: Why, now_ms: u64) -> StandsIn {
    let by_request = !stored.strict && within(asked.seconds("stale-if-error").unwrap_or(0), stored, now_ms);
    match why {
        // What the origin or the client wants to be asked for each time must not be shown unasked.
        Why::NoCache | Why::Request | Why::UriMiss | Why::VaryMiss => StandsIn::Never,
        Why::Stale | Why::Purged if within(stored.if_error_s, stored, now_ms) || by_request => StandsIn::OnError,
        Why::Stale | Why::Purged if !stored.strict => StandsIn::WhenUnreachable,
        Why::Stale | Why::Purged => StandsIn::Never,
    }
}

/// The same for a request that nothing stored matches; `other_variants` when there are answers for other selecting fields.
pub fn decide_miss(profile: Profile, request: &HeaderMap, other_variants: bool) -> Decision {
    if profile.heeds_requests && Directives::of_request(request).has("only-if-cached") {
        return Decision::Refuse;
    }
    let why = if other_variants { Why::VaryMiss } else { Why::UriMiss };
    Decision::Forward { why, stands_in: StandsIn::Never }
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};
    use proptest::prelude::*;

    use super::*;

    const FRESH_60: Lifetime = Lifetime {
        fresh_s: 60,
        while_revalidate_s: 0,
        if_error_s: 0,
        strict: false,
        always_validate: false,
        initial_age_ms: 0,
        answered_ms: 0,
    };

    fn asked(directives: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !directives.is_empty() {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_str(directives).unwrap());
        }
        headers
    }

    fn at(second: u64, directives: &str, stored: &Lifetime) -> Decision {
        decide(Profile::RFC, &asked(directives), stored, false, second * 1_000)
    }

    fn forward(why: Why, stands_in: StandsIn) -> Decision {
        Decision::Forward { why, stands_in }
    }

    #[test]
    fn an_answer_ages_from_fresh_to_stale_to_error_only() {
        let stored = Lifetime { while_revalidate_s: 30, if_error_s: 300, ..FRESH_60 };
        assert_eq!(at(59, "", &stored), Decision::Serve(Reason::Fresh));
        assert_eq!(at(60, "", &stored), Decision::Serve(Reason::StaleWhileRevalidate));
        assert_eq!(at(90, "", &stored), forward(Why::Stale, StandsIn::OnError));
        assert_eq!(at(360, "", &stored), forward(Why::Stale, StandsIn::WhenUnreachable));
        assert_eq!(at(360, "", &Lifetime { strict: true, ..stored }), forward(Why::Stale, StandsIn::Never));
        assert_eq!(decide(Profile::STOREFRONT, &asked("no-cache"), &stored, false, 0), Decision::Serve(Reason::Fresh));
        assert_eq!(decide(Profile::RFC, &asked(""), &stored, true, 0), forward(Why::Purged, StandsIn::OnError));
    }

    #[test]
    fn a_client_may_be_stricter_or_more_lenient() {
        assert_eq!(at(10, "max-age=9", &FRESH_60), forward(Why::Request, StandsIn::Never));
        assert_eq!(at(10, "max-age=10", &FRESH_60), Decision::Serve(Reason::Fresh));
        assert_eq!(at(10, "min-fresh=51", &FRESH_60), forward(Why::Request, StandsIn::Never));
        assert_eq!(at(10, "min-fresh=50", &FRESH_60), Decision::Serve(Reason::Fresh));
        assert_eq!(at(70, "max-stale", &FRESH_60), Decision::Serve(Reason::MaxStale));
        assert_eq!(at(70, "max-stale=10", &FRESH_60), Decision::Serve(Reason::MaxStale));
        assert_eq!(at(71, "max-stale=10", &FRESH_60), forward(Why::Stale, StandsIn::WhenUnreachable));
        assert_eq!(at(70, "max-stale", &Lifetime { strict: true, ..FRESH_60 }), forward(Why::Stale, StandsIn::Never));
        assert_eq!(at(10, "no-cache", &FRESH_60), forward(Why::Request, StandsIn::Never));
        assert_eq!(at(70, "stale-if-error=60", &FRESH_60), forward(Why::Stale, StandsIn::OnError));
        assert_eq!(at(70, "only-if-cached", &FRESH_60), Decision::Refuse);
        assert_eq!(decide_miss(Profile::RFC, &asked("only-if-cached"), false), Decision::Refuse);
        assert_eq!(decide_miss(Profile::STOREFRONT, &asked("only-if-cached"), true), forward(Why::VaryMiss, StandsIn::Never));
    }

    proptest! {
        #[test]
        fn nothing_stale_is_ever_called_fresh(fresh_s in 0u64..1000, revalidate_s in 0u64..1000, age in 0u64..1000, waited in 0u64..3000) {
            let stored = Lifetime { fresh_s, while_revalidate_s: revalidate_s, initial_age_ms: age * 1_000, ..FRESH_60 };
            let age = age + waited;
            match at(waited, "", &stored) {
                Decision::Serve(Reason::Fresh) => prop_assert!(age < fresh_s),
                Decision::Serve(Reason::StaleWhileRevalidate) => prop_assert!(age >= fresh_s && age - fresh_s < revalidate_s),
                Decision::Forward { why: Why::Stale, .. } => prop_assert!(age >= fresh_s + revalidate_s),
                other => prop_assert!(false, "{other:?}"),
            }
        }

        #[test]
        fn what_must_not_be_stale_is_never_stale(fresh_s in 0u64..100, waited in 0u64..300, directives in "(max-stale|max-stale=[0-9]{1,3}|stale-if-error=99|max-age=[0-9]{1,2})?") {
            let stored = Lifetime { fresh_s, strict: true, ..FRESH_60 };
            match at(waited, &directives, &stored) {
                Decision::Serve(reason) => prop_assert!(reason == Reason::Fresh && waited < fresh_s),
                Decision::Forward { stands_in, .. } => prop_assert_eq!(stands_in, StandsIn::Never),
                Decision::Refuse => prop_assert!(false),
            }
        }
    }
}
