//! What must hold for any two heads that come over the network: nothing panics, and what is forbidden is forbidden however it is written
//! around. Must not: know what is right beyond that; the conformance tests do.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_cache_policy::{
    Answer, Asked, Decision, Directives, Lifetime, Profile, Ranged, Reason, Selecting, StandsIn, Times, asked_range,
    content_range, decide, end_to_end, freshened, head_agrees, http_date, invalidated, not_modified, parse_http_date,
    range_still_applies, ranged, selected_by_304, storable, validation, without_unstorable,
};

const NOW_MS: u64 = 1_795_000_000_000;
const NOW: Times = Times { asked_ms: NOW_MS - 5, answered_ms: NOW_MS };
/// RFC 9111 section 1.2.2.
const MOST_SECONDS: u64 = 1 << 31;
/// The last second of the year 9999.
const LAST_DATE: u64 = 253_402_300_799;
const NAMES: [&str; 7] =
    ["max-age", "s-maxage", "min-fresh", "max-stale", "stale-while-revalidate", "stale-if-error", "no-cache"];

/// Lines up to an empty one. A line that is no field is left out, as the HTTP library would have refused it.
fn fields<'a>(lines: &mut impl Iterator<Item = &'a [u8]>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for line in lines.take_while(|line| !line.is_empty()) {
        let at = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(at + 1..).unwrap_or_default().trim_ascii();
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(&line[..at]), HeaderValue::from_bytes(value)) {
            fields.append(name, value);
        }
    }
    fields
}

/// A first line with a status, the fields of an answer, an empty line, the fields of a request.
pub fn heads(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next().and_then(|line| std::str::from_utf8(line).ok()).and_then(|line| line.trim().parse().ok());
    let status = first.and_then(|code| StatusCode::from_u16(code).ok()).unwrap_or(StatusCode::OK);
    let (answer, request) = (fields(&mut lines), fields(&mut lines));
    directives(&answer, &request);
    dates(&answer);
    storing(status, &answer, &request);
    reuse(status, &answer, &request);
    updating(&answer, &request);
    parts(&answer, &request);
}

fn directives(answer: &HeaderMap, request: &HeaderMap) {
    for said in [Directives::of_answer(answer), Directives::of_request(request)] {
        for name in NAMES {
            assert!(said.seconds(name).is_none_or(|seconds| seconds <= MOST_SECONDS), "{name} in {said:?}");
            assert!(said.has(name) || said.fields(name).is_empty(), "{name} in {said:?}");
        }
    }
}

fn dates(answer: &HeaderMap) {
    for value in answer.values().filter_map(|value| value.to_str().ok()) {
        if let Some(seconds) = parse_http_date(value, NOW_MS / 1_000) {
            assert!(seconds <= LAST_DATE, "{value:?} is {seconds}");
            assert_eq!(parse_http_date(&http_date(seconds), 0), Some(seconds), "{value:?}");
        }
    }
}

/// A directive that stands between two commas, where no quote can hide it, of the field that counts.
fn says_plainly(answer: &HeaderMap, directive: &[u8]) -> bool {
    let mut lines = answer.get_all(header::CACHE_CONTROL).iter().map(HeaderValue::as_bytes);
    let plain = |line: &[u8]| {
        !line.contains(&b'"')
            && line.split(|byte| *byte == b',').any(|member| member.trim_ascii().eq_ignore_ascii_case(directive))
    };
    !answer.contains_key("cdn-cache-control") && lines.any(plain)
}

fn storing(status: StatusCode, answer: &HeaderMap, request: &HeaderMap) {
    let kept = |profile, method: &Method| {
        let about = Answer { method, authority: "shop", target: "/a?b", request, status, headers: answer, times: NOW };
        storable(profile, &about).is_ok()
    };
    let by_letter = kept(Profile::RFC, &Method::GET);
    let overruled = says_plainly(answer, b"must-understand") || answer.get_all(header::CACHE_CONTROL).iter().nth(1).is_some();
    assert!(!by_letter || overruled || !says_plainly(answer, b"no-store"), "kept in spite of no-store");
    assert!(!by_letter || !says_plainly(answer, b"private"), "kept in spite of private");
    assert!(!by_letter || (status != StatusCode::NOT_MODIFIED && !status.is_informational()), "kept {status}");
    assert!(!kept(Profile::STOREFRONT, &Method::GET) || !answer.contains_key(header::SET_COOKIE), "a session is kept");
    assert!(!kept(Profile::RFC, &Method::PUT) && !kept(Profile::RFC, &Method::HEAD), "the answer to another method is kept");
    let left = without_unstorable(end_to_end(answer));
    assert!(!left.contains_key(header::CONNECTION) && !left.contains_key(header::PROXY_AUTHENTICATE));
    assert_eq!(end_to_end(&end_to_end(answer)), end_to_end(answer));
    for target in invalidated(&Method::POST, "shop", "/a?b", StatusCode::OK, answer) {
        assert!(target.starts_with('/') && target.parse::<http::Uri>().is_ok(), "{target:?}");
    }
}

fn reuse(status: StatusCode, answer: &HeaderMap, request: &HeaderMap) {
    assert!(Selecting::of(request, answer).matches(request), "an answer is not for its own request");
    let Some(lifetime) = Lifetime::of(Profile::RFC, status, answer, NOW) else { return };
    for later_ms in [0, 1, 60_000, 3_600_000_000] {
        let now_ms = NOW_MS + later_ms;
        assert!(lifetime.age_ms(now_ms) >= later_ms);
        assert_eq!(lifetime.is_fresh(now_ms), lifetime.age_ms(now_ms) < lifetime.fresh_s * 1_000);
        match decide(Profile::RFC, request, &lifetime, false, now_ms) {
            Decision::Serve(Reason::Fresh) => assert!(lifetime.is_fresh(now_ms) && !lifetime.always_validate),
            Decision::Serve(Reason::MaxStale) => assert!(!lifetime.strict && !lifetime.always_validate),
            Decision::Serve(Reason::StaleWhileRevalidate) => {
                assert!(lifetime.while_revalidate_s > 0 && !lifetime.always_validate)
            }
            Decision::Forward { stands_in: StandsIn::WhenUnreachable, .. } => assert!(!lifetime.strict),
            Decision::Forward { .. } | Decision::Refuse => {}
        }
    }
}

fn updating(stored: &HeaderMap, newer: &HeaderMap) {
    let fresh = freshened(stored, newer);
    assert_eq!(fresh.get(header::CONTENT_LENGTH), stored.get(header::CONTENT_LENGTH));
    assert_eq!(freshened(&fresh, newer), fresh, "a second 304 changes more");
    let _ = (selected_by_304(stored, newer), head_agrees(stored, newer));
    let mut asked = newer.clone();
    validation(&mut asked, stored);
    assert_eq!(asked.get(header::IF_NONE_MATCH), stored.get(header::ETAG));
    assert!(!asked.contains_key(header::IF_MATCH) && !asked.contains_key(header::IF_RANGE));
}

fn parts(answer: &HeaderMap, request: &HeaderMap) {
    let _ = (not_modified(request, answer, NOW_MS), range_still_applies(request, answer));
    if let Some(part) = content_range(answer) {
        assert!(part.first <= part.last && part.last < part.complete && part.holds(&part));
    }
    let asked = asked_range(request);
    for complete in [0, 1, 10, u64::MAX] {
        match ranged(asked, complete) {
            Ranged::All => assert_eq!(asked, Asked::All),
            Ranged::Part(part) => assert!(part.first <= part.last && part.last < complete && part.complete == complete),
            Ranged::Unsatisfiable { complete: told } => assert_eq!(told, complete),
        }
    }
}
