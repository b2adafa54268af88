
//! RFC 9111 section 3 and RFC 9110 section 15: which statuses are stored, and that unknown ones are no different. Must not: guess lifetimes.

use super::{
    answer::{Answer, ok, plain, status},
    step::{Step, get, not_reused, reused},
};

fn answer(code: u16, cache_control: &str) -> Answer {
    let answer = status(code).with("Cache-Control", cache_control);
    if code == 205 { answer.body("") } else { answer }
}

/// 206 and 304 say something of another answer, and have their own tests.
fn codes(first: u16) -> impl Iterator<Item = u16> {
    (first..first + 100).filter(|code| !matches!(code, 206 | 304))
}

fn fresh(first: u16) -> Vec<Step> {
    let both = |code: u16| {
        let target = format!("/{code}");
        [get().at(&target).asks(answer(code, "max-age=3600")), get().at(&target).cached().status(code)]
    };
    codes(first).flat_map(both).collect()
}

fn stale(first: u16) -> Vec<Step> {
    let both = |code: u16| {
        let target = format!("/{code}");
        let old = answer(code, "max-age=10").with("Age", "20");
        [get().at(&target).asks(old), get().at(&target).asks(plain()).status(200)]
    };
    codes(first).flat_map(both).collect()
}

cases! {
    fresh_2xx: fresh(200);
    fresh_3xx: fresh(300);
    fresh_4xx: fresh(400);
    fresh_5xx: fresh(500);
    stale_2xx: stale(200);
    stale_3xx: stale(300);
    stale_4xx: stale(400);
    stale_5xx: stale(500);
    unexpected_304_is_not_stored: vec![
        get().with("If-None-Match", "\"a\"").asks(status(304).with("ETag", "\"a\"").with("Cache-Control", "max-age=3600")),
        get().asks(plain()).status(200),
    ];
    unexpected_206_is_not_complete: vec![
        get().asks(answer(206, "max-age=3600").with("Content-Range", "bytes 0-3/100").body("0123")),
        get().asks(plain()).status(200),
    ];
    a_206_without_content_range: vec![
        get().asks(answer(206, "max-age=3600").body("0123")),
        get().asks(plain()).status(200),
    ];
    must_understand_known: reused(ok("no-store, must-understand, max-age=3600"));
    must_understand_unknown: not_reused(answer(599, "must-understand, max-age=3600"));
    must_understand_unknown_with_no_store: not_reused(answer(599, "must-understand, no-store, max-age=3600"));
    must_understand_without_no_store: reused(ok("must-understand, max-age=3600"));
    must_understand_private: not_reused(ok("no-store, must-understand, private, max-age=3600"));
    unknown_status_is_passed_on: vec![get().asks(answer(499, "no-store").with("X-A", "b")).status(499).has("x-a", "b")];
    later_answer_replaces: vec![
        get().asks(answer(404, "max-age=10").with("Age", "20")),
        get().asks(ok("max-age=3600")),
        get().cached().status(200),
    ];
}
