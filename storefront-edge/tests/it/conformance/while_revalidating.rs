
//! RFC 5861 section 3: the client gets what is stored while the origin is asked. Must not: test errors.

use super::{
    answer::{Answer, closes, ok, plain, status},
    step::{first, get},
};

/// Ten seconds too old.
fn old(more: &str) -> Answer {
    ok(&format!("max-age=10{more}")).with("Age", "20").with("ETag", "\"a\"")
}

cases! {
    served_and_asked: first(old(", stale-while-revalidate=600"), get().cached_then_asks(ok("max-age=3600")).age(20..=40));
    the_new_answer_follows: vec![
        get().asks(old(", stale-while-revalidate=600").body("old")),
        get().cached_then_asks(ok("max-age=3600").body("new")).body("old"),
        get().soon().cached().body("new"),
    ];
    asked_with_the_validator: first(
        old(", stale-while-revalidate=600"),
        get().cached_then_asks(status(304).with("ETag", "\"a\"")).origin_got("if-none-match", "\"a\""),
    );
    a_304_refreshes: vec![
        get().asks(old(", stale-while-revalidate=600")),
        get().cached_then_asks(status(304).with("ETag", "\"a\"").with("Cache-Control", "max-age=3600")),
        get().soon().cached().age(0..=10),
    ];
    after_the_window: first(old(", stale-while-revalidate=5"), get().asks(plain()));
    window_of_0: first(old(", stale-while-revalidate=0"), get().asks(plain()));
    invalid_window: first(old(", stale-while-revalidate=abc"), get().asks(plain()));
    no_window: first(old(", stale-while-revalidate"), get().asks(plain()));
    in_upper_case: first(old(", STALE-WHILE-REVALIDATE=600"), get().cached_then_asks(plain()));
    quoted: first(old(", stale-while-revalidate=\"600\""), get().cached_then_asks(plain()));
    must_revalidate: first(old(", stale-while-revalidate=600, must-revalidate"), get().asks(plain()));
    proxy_revalidate: first(old(", stale-while-revalidate=600, proxy-revalidate"), get().asks(plain()));
    no_cache: first(old(", stale-while-revalidate=600, no-cache"), get().asks(plain()));
    no_cache_of_the_request: first(
        old(", stale-while-revalidate=600"),
        get().with("Cache-Control", "no-cache").asks(plain()),
    );
    origin_fails: vec![
        get().asks(old(", stale-while-revalidate=600")),
        get().cached_then_asks(status(503)),
        get().soon().cached_then_asks(ok("max-age=3600")),
    ];
    nobody_listens: first(old(", stale-while-revalidate=600"), get().without_origin().cached_over(closes()));
    while_fresh: first(ok("max-age=3600, stale-while-revalidate=600"), get().cached());
}
