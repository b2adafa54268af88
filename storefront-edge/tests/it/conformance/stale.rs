
//! RFC 9111 section 4.2.4 and 5.2.2, RFC 5861 section 4: when an answer past its lifetime is used, and when never. Must not: test what
//! happens behind the client's back.

use std::time::Duration;

use super::{
    answer::{Answer, closes, ok, plain, status},
    step::{Seen, first, get, not_reused},
};

/// Ten seconds too old.
fn old(more: &str) -> Answer {
    ok(&format!("max-age=10{more}")).with("Age", "20")
}

fn old_tagged(more: &str) -> Answer {
    old(more).with("ETag", "\"a\"")
}

fn failing(code: u16) -> Answer {
    status(code).with("Cache-Control", "no-store")
}

cases! {
    not_used_while_the_origin_answers: not_reused(old(""));
    becomes_stale_in_time: vec![
        get().asks(ok("max-age=1")),
        get().after(Duration::from_millis(2100)).asks(plain()),
    ];
    used_when_the_connection_closes: first(old(""), get().cached_over(closes()).age(20..=40));
    used_when_nobody_listens: first(old(""), get().without_origin().cached_over(closes()).age(20..=40));
    used_over_500: first(old(""), get().cached_over(failing(500)));
    used_over_502: first(old(""), get().cached_over(failing(502)));
    used_over_503: first(old(""), get().cached_over(failing(503)));
    used_over_504: first(old(""), get().cached_over(failing(504)));
    not_used_over_404: first(old_tagged(""), get().asks(failing(404)));
    not_used_over_403: first(old_tagged(", stale-if-error=600"), get().asks(failing(403)));
    tells_its_age: first(old(", stale-if-error=600").with("Age", "20"), get().cached_over(failing(503)).age(20..=40));
    must_revalidate_and_closed: first(old_tagged(", must-revalidate"), get().fails_with(closes()).status(504));
    must_revalidate_and_nobody: first(old_tagged(", must-revalidate"), get().without_origin().fails_with(closes()).status(504));
    must_revalidate_and_503: first(old_tagged(", must-revalidate"), get().fails_with(failing(503)));
    must_revalidate_in_upper_case: first(old_tagged(", MUST-REVALIDATE"), get().fails_with(closes()).status(504));
    must_revalidate_while_fresh: first(ok("max-age=3600, must-revalidate"), get().cached());
    must_revalidate_and_validated: first(
        old_tagged(", must-revalidate"),
        get().confirmed_by(status(304).with("ETag", "\"a\"")).origin_got("if-none-match", "\"a\""),
    );
    proxy_revalidate_and_closed: first(old_tagged(", proxy-revalidate"), get().fails_with(closes()).status(504));
    proxy_revalidate_and_503: first(old_tagged(", proxy-revalidate"), get().fails_with(failing(503)));
    s_maxage_and_closed: first(ok("s-maxage=10").with("Age", "20"), get().fails_with(closes()).status(504));
    s_maxage_and_nobody: first(ok("s-maxage=10").with("Age", "20"), get().without_origin().fails_with(closes()).status(504));
    s_maxage_and_503: first(ok("s-maxage=10").with("Age", "20"), get().fails_with(failing(503)));
    no_cache_and_closed: first(ok("no-cache").with("ETag", "\"a\""), get().fails_with(closes()));
    no_cache_and_503: first(ok("no-cache, max-age=3600").with("ETag", "\"a\""), get().fails_with(failing(503)));
    stale_if_error_and_500: first(old(", stale-if-error=600"), get().cached_over(failing(500)));
    stale_if_error_and_502: first(old(", stale-if-error=600"), get().cached_over(failing(502)));
    stale_if_error_and_503: first(old(", stale-if-error=600"), get().cached_over(failing(503)));
    stale_if_error_and_504: first(old(", stale-if-error=600"), get().cached_over(failing(504)));
    stale_if_error_and_closed: first(old(", stale-if-error=600"), get().cached_over(closes()));
    stale_if_error_and_nobody: first(old(", stale-if-error=600"), get().without_origin().cached_over(closes()));
    stale_if_error_and_501: first(old(", stale-if-error=600"), get().asks(failing(501)));
    stale_if_error_and_404: first(old(", stale-if-error=600"), get().asks(failing(404)));
    stale_if_error_passed: first(old(", stale-if-error=5"), get().fails_with(failing(503)));
    stale_if_error_0: first(old(", stale-if-error=0"), get().fails_with(failing(503)));
    stale_if_error_and_must_revalidate: first(old(", stale-if-error=600, must-revalidate"), get().fails_with(failing(503)));
    stale_if_error_and_no_cache: first(old(", stale-if-error=600, no-cache"), get().fails_with(failing(503)));
    error_does_not_replace: vec![
        get().asks(old(", stale-if-error=600")),
        get().cached_over(failing(503)),
        get().cached_over(failing(500)),
        get().asks(ok("max-age=3600")),
        get().cached(),
    ];
    stored_error_and_503: first(
        status(503).with("Cache-Control", "max-age=10, stale-if-error=600").with("Age", "20"),
        get().asks(failing(503).body("new")).status(503).body("new"),
    );
    stored_error_and_200: first(
        status(500).with("Cache-Control", "max-age=10").with("Age", "20"),
        get().asks(plain().body("new")).status(200).body("new"),
    );
    nothing_stored_and_503: vec![get().asks(failing(503))];
    nothing_stored_and_closed: vec![get().fails_with(closes()).check(gateway_error)];
    nothing_stored_and_nobody: vec![get().without_origin().fails_with(closes()).check(gateway_error)];
    failure_does_not_refresh: vec![
        get().asks(old(", stale-if-error=600")),
        get().cached_over(failing(503)),
        get().asks(plain()),
    ];
    another_target_is_not_used: vec![
        get().at("/a").asks(old(", stale-if-error=600")),
        get().at("/b").fails_with(failing(503)),
    ];
}

fn gateway_error(seen: &Seen) {
    assert!(matches!(seen.head.status(), 502..=504), "status {}", seen.head.status());
}
