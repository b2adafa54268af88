//! How long an answer is good for (RFC 9111 section 4.2), and how old it is (section 4.2.3).

use http::{HeaderMap, HeaderName, StatusCode, header};

use crate::{
    Directives, Profile,
    date::parse_http_date,
    directives::{FOREVER_S, delta_seconds},
    list,
};

/// Part of an answer's age when it was made that counts as its lifetime when it says none (section 4.2.2).
const HEURISTIC_DIVISOR: u64 = 10;

/// No guess is longer: a page that did not change for years is looked at again within the week.
const LONGEST_GUESS_S: u64 = 7 * 24 * 3_600;

/// When the origin was asked and when its answer's head was here, in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    pub asked_ms: u64,
    pub answered_ms: u64,
}

/// What an answer says of its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Fresh while younger than this (section 4.2.1).
    pub fresh_s: u64,
    /// After that, may be shown for so long while it is validated (RFC 5861 section 3).
    pub while_revalidate_s: u64,
    /// After that, may be shown for so long when the origin fails (RFC 5861 section 4).
    pub if_error_s: u64,
    /// Never to be shown stale unless `while_revalidate_s` or `if_error_s` says so (section 4.2.4).
    pub strict: bool,
    /// `no-cache`: never without asking.
    pub always_validate: bool,
    /// Age when it came (section 4.2.3, `corrected_initial_age`).
    pub initial_age_ms: u64,
    /// When it came.
    pub answered_ms: u64,
}

impl Lifetime {
    /// `None` when the answer says nothing of its lifetime and none may be guessed.
    pub fn of(profile: Profile, status: StatusCode, headers: &HeaderMap, times: Times) -> Option<Self> {
        let said = Directives::of_answer(headers);
        let explicit = explicit_s(&said, headers, times);
        let guess = || profile.heuristics.then(|| guess_s(&said, status, headers, times)).flatten();
        let fresh_s = explicit.or_else(guess)?;
        let forbidden = said.has("must-revalidate") || said.has("proxy-revalidate");
        let always_validate = said.has_unqualified("no-cache");
        let allowed = |name| if forbidden || always_validate { Some(0) } else { said.seconds(name) };
        let strict = forbidden || always_validate || said.has("s-maxage");
        let unsaid_s = if profile.covers_errors && !strict { FOREVER_S } else { 0 };
        Some(Self {
            fresh_s,
            while_revalidate_s: allowed("stale-while-revalidate").unwrap_or(0),
            if_error_s: allowed("stale-if-error").unwrap_or(unsaid_s),
            // `s-maxage` means `proxy-revalidate` too (section 5.2.2.10); a window that is given beside it is meant all the same.
            strict,
            always_validate,
            initial_age_ms: initial_age_ms(headers, times),
            answered_ms: times.answered_ms,
        })
    }

    /// What is only worth keeping because it can be validated.
    pub fn already_over(headers: &HeaderMap, times: Times) -> Self {
        let said = Directives::of_answer(headers);
        let always_validate = said.has_unqualified("no-cache");
        Self {
            fresh_s: 0,
            while_revalidate_s: 0,
            if_error_s: 0,
            strict: always_validate || said.has("must-revalidate") || said.has("proxy-revalidate"),
            always_validate,
            initial_age_ms: initial_age_ms(headers, times),
            answered_ms: times.answered_ms,
        }
    }

    /// Age at `now_ms` (section 4.2.3, `current_age`).
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        self.initial_age_ms.saturating_add(now_ms.saturating_sub(self.answered_ms))
    }

    pub fn is_fresh(&self, now_ms: u64) -> bool {
        self.age_ms(now_ms) < self.fresh_s.saturating_mul(1_000)
    }

    /// Milliseconds since it ceased to be fresh; 0 while it is.
    pub fn staleness_ms(&self, now_ms: u64) -> u64 {
        self.age_ms(now_ms).saturating_sub(self.fresh_s.saturating_mul(1_000))
    }
}

/// `s-maxage`, `max-age`, `Expires`, in this order (section 4.2.1).
fn explicit_s(said: &Directives, headers: &HeaderMap, times: Times) -> Option<u64> {
    let relative = said.seconds("s-maxage").or_else(|| said.seconds("max-age"));
    relative.or_else(|| if said.is_targeted() { None } else { expires_s(headers, times) })
}

/// The first `Expires`, relative to `Date`. One that is no date is already over (section 5.3).
fn expires_s(headers: &HeaderMap, times: Times) -> Option<u64> {
    let expires = headers.get(header::EXPIRES)?;
    let now_s = times.answered_ms / 1_000;
    let expires_s = expires.to_str().ok().and_then(|text| parse_http_date(text, now_s)).unwrap_or(0);
    Some(expires_s.saturating_sub(date_s(headers, &header::DATE, now_s).unwrap_or(now_s)).min(FOREVER_S))
}

fn date_s(headers: &HeaderMap, name: &HeaderName, now_s: u64) -> Option<u64> {
    parse_http_date(headers.get(name)?.to_str().ok()?, now_s)
}

/// A tenth of how long it has not changed (section 4.2.2).
fn guess_s(said: &Directives, status: StatusCode, headers: &HeaderMap, times: Times) -> Option<u64> {
    if !is_heuristically_cacheable(status) && !said.has("public") {
        return None;
    }
    let now_s = times.answered_ms / 1_000;
    let modified_s = date_s(headers, &header::LAST_MODIFIED, now_s)?;
    let made_s = date_s(headers, &header::DATE, now_s).unwrap_or(now_s);
    Some((made_s.saturating_sub(modified_s) / HEURISTIC_DIVISOR).min(LONGEST_GUESS_S))
}

/// RFC 9110 section 15.1.
pub(crate) fn is_heuristically_cacheable(status: StatusCode) -> bool {
    matches!(status.as_u16(), 200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501)
}

/// `corrected_initial_age` (section 4.2.3): the larger of what the clocks say and what `Age` and the time of the answer say.
fn initial_age_ms(headers: &HeaderMap, times: Times) -> u64 {
    let now_s = times.answered_ms / 1_000;
    let apparent_s = date_s(headers, &header::DATE, now_s).map_or(0, |date_s| now_s.saturating_sub(date_s));
    let delay_ms = times.answered_ms.saturating_sub(times.asked_ms);
    (apparent_s * 1_000).max(said_age_s(headers).saturating_mul(1_000).saturating_add(delay_ms))
}

/// The first member of `Age`; one that is no number is ignored (section 5.1).
fn said_age_s(headers: &HeaderMap) -> u64 {
    let first = headers.get(header::AGE).and_then(|value| value.to_str().ok());
    first.and_then(|line| list::split(line).next()).and_then(delta_seconds).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::http_date;

    const NOW_MS: u64 = 1_795_000_000_000;
    const AT_ONCE: Times = Times { asked_ms: NOW_MS, answered_ms: NOW_MS };

    fn headers(pairs: &[(&'static str, String)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn fresh_s(pairs: &[(&'static str, String)]) -> Option<u64> {
        Lifetime::of(Profile::RFC, StatusCode::OK, &headers(pairs), AT_ONCE).map(|lifetime| lifetime.fresh_s)
    }

    fn ago(seconds: u64) -> String {
        http_date(NOW_MS / 1_000 - seconds)
    }

    #[test]
    fn the_nearest_statement_counts() {
        let expires = || ("expires", http_date(NOW_MS / 1_000 + 90));
        assert_eq!(fresh_s(&[expires()]), Some(90));
        assert_eq!(fresh_s(&[expires(), ("date", ago(10))]), Some(100));
        assert_eq!(fresh_s(&[expires(), ("cache-control", "max-age=60".into())]), Some(60));
        assert_eq!(fresh_s(&[expires(), ("cache-control", "max-age=60, s-maxage=30".into())]), Some(30));
        assert_eq!(fresh_s(&[("expires", "0".into())]), Some(0));
        assert_eq!(fresh_s(&[("last-modified", ago(1_000))]), Some(100));
        assert_eq!(fresh_s(&[("etag", "\"1\"".into())]), None);
        assert_eq!(fresh_s(&[expires(), ("cdn-cache-control", "public".into())]), None);
    }

    #[test]
    fn age_is_what_is_said_or_what_the_clocks_say() {
        let age_s = |pairs: &[(&'static str, String)]| initial_age_ms(&headers(pairs), AT_ONCE) / 1_000;
        assert_eq!(age_s(&[("age", "30".into()), ("date", ago(10))]), 30);
        assert_eq!(age_s(&[("age", "5".into()), ("date", ago(10))]), 10);
        assert_eq!(age_s(&[("age", "7, 90".into()), ("age", "100".into())]), 7);
        for bad in ["abc", "-7", "7.5", "7;x=1", "7s"] {
            assert_eq!(age_s(&[("age", bad.into())]), 0, "{bad}");
        }
        let slow = Times { asked_ms: NOW_MS - 4_000, answered_ms: NOW_MS };
        assert_eq!(initial_age_ms(&headers(&[("age", "3".into())]), slow), 7_000);
    }

    proptest! {
        #[test]
        fn an_answer_is_fresh_until_its_lifetime_is_over_and_never_again(fresh in 0u64..100, age in 0u64..100, waited in 0u64..200_000) {
            let pairs = [("cache-control", format!("max-age={fresh}")), ("age", age.to_string())];
            let lifetime = Lifetime::of(Profile::RFC, StatusCode::OK, &headers(&pairs), AT_ONCE).unwrap();
            let now_ms = NOW_MS + waited;
            prop_assert_eq!(lifetime.age_ms(now_ms), age * 1_000 + waited);
            prop_assert_eq!(lifetime.is_fresh(now_ms), age * 1_000 + waited < fresh * 1_000);
            prop_assert_eq!(lifetime.staleness_ms(now_ms), (age * 1_000 + waited).saturating_sub(fresh * 1_000));
            prop_assert!(lifetime.is_fresh(now_ms) || !lifetime.is_fresh(now_ms + 1));
        }
    }
}
