
//! RFC 9111 section 5.2.1: what a client may ask of the cache. Must not: test directives of answers.

use super::{
    answer::{Answer, closes, ok, plain},
    step::{Step, first, get},
};

fn asking(cache_control: &str) -> Step {
    get().with("Cache-Control", cache_control)
}

fn aged(age: &str) -> Answer {
    ok("max-age=3600").with("Age", age)
}

/// Ten seconds too old.
fn old() -> Answer {
    ok("max-age=10").with("Age", "20")
}

cases! {
    max_age_below_the_age: first(aged("50"), asking("max-age=10").asks(plain()));
    max_age_above_the_age: first(aged("50"), asking("max-age=600").cached());
    max_age_0: first(aged("1"), asking("max-age=0").asks(plain()));
    max_age_does_not_lengthen: first(old(), asking("max-age=3600").asks(plain()));
    max_age_in_quotes: first(aged("50"), asking("max-age=\"10\"").asks(plain()));
    max_age_in_upper_case: first(aged("50"), asking("MAX-AGE=10").asks(plain()));
    min_fresh_above: first(aged("3500"), asking("min-fresh=200").asks(plain()));
    min_fresh_below: first(aged("0"), asking("min-fresh=200").cached());
    max_stale: first(old(), asking("max-stale").cached().age(20..=40));
    max_stale_above: first(old(), asking("max-stale=1000").cached());
    max_stale_below: first(old(), asking("max-stale=5").asks(plain()));
    max_stale_invalid: first(old(), asking("max-stale=abc").asks(plain()));
    max_stale_and_must_revalidate: first(
        ok("max-age=10, must-revalidate").with("Age", "20"),
        asking("max-stale=1000").asks(plain()),
    );
    max_stale_and_proxy_revalidate: first(
        ok("max-age=10, proxy-revalidate").with("Age", "20"),
        asking("max-stale=1000").asks(plain()),
    );
    max_stale_and_s_maxage: first(ok("s-maxage=10").with("Age", "20"), asking("max-stale=1000").asks(plain()));
    max_stale_and_no_cache: first(ok("max-age=3600, no-cache"), asking("max-stale=1000").asks(plain()));
    no_cache: first(aged("0"), asking("no-cache").asks(plain()));
    no_cache_stores: vec![
        get().asks(aged("0")),
        asking("no-cache").asks(ok("max-age=3600").body("new")),
        get().cached().body("new"),
    ];
    no_cache_in_mixed_case: first(aged("0"), asking("No-Cache").asks(plain()));
    second_line: first(aged("0"), asking("foo").with("Cache-Control", "no-cache").asks(plain()));
    no_store: vec![asking("no-store").asks(aged("0")), get().asks(plain())];
    no_store_among_others: vec![asking("foo, NO-STORE, max-age=600").asks(aged("0")), get().asks(plain())];
    only_if_cached_and_nothing: vec![asking("only-if-cached").generated(504)];
    only_if_cached_and_fresh: first(aged("0"), asking("only-if-cached").cached());
    only_if_cached_and_stale: first(old(), asking("only-if-cached").generated(504));
    only_if_cached_and_max_stale: first(old(), asking("only-if-cached, max-stale").cached());
    only_if_cached_and_another_variant: vec![
        get().with("X-A", "1").asks(aged("0").with("Vary", "X-A")),
        asking("only-if-cached").with("X-A", "2").generated(504),
    ];
    only_if_cached_in_mixed_case: vec![asking("Only-If-Cached").generated(504)];
    unknown: first(aged("0"), asking("foo=bar, baz").cached());
    in_quotes: first(aged("0"), asking("foo=\"no-cache, max-age=0\"").cached());
    passed_on: vec![asking("foo=\"bar\", max-age=600").asks(plain()).origin_got("cache-control", "foo=\"bar\", max-age=600")];
    pragma_beside: first(aged("0"), asking("max-age=600").with("Pragma", "no-cache").cached());
    pragma_unknown: first(aged("0"), get().with("Pragma", "foo").cached());
    stale_if_error: first(old(), asking("stale-if-error=600").cached_over(closes()));
    stale_if_error_and_must_revalidate: first(
        ok("max-age=10, must-revalidate").with("Age", "20"),
        asking("stale-if-error=600").fails_with(closes()),
    );
    no_cache_and_closed: first(aged("0"), asking("no-cache").fails_with(closes()));
}
