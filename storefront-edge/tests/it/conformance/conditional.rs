
//! RFC 9110 section 13 and RFC 9111 section 4.3.2: If-None-Match and the like, evaluated against what is stored. Must not: test how the
//! cache validates for itself.

use super::{
    answer::{Answer, ok, plain, status},
    date::{date, date_asctime, date_in_zone, date_rfc850},
    step::{Step, first, get, head, request},
};

fn tagged(tag: &str) -> Answer {
    ok("max-age=3600").with("ETag", tag)
}

fn modified(seconds: i64) -> Answer {
    ok("max-age=3600").with("Last-Modified", date(seconds))
}

/// 304 from the cache.
fn unchanged(stored: Answer, name: &str, value: impl AsRef<str>) -> Vec<Step> {
    first(stored, get().with(name, value).cached().status(304).body(""))
}

/// 200 from the cache.
fn in_full(stored: Answer, name: &str, value: impl AsRef<str>) -> Vec<Step> {
    first(stored, get().with(name, value).cached().status(200))
}

cases! {
    tag: unchanged(tagged("\"a\""), "If-None-Match", "\"a\"");
    another_tag: in_full(tagged("\"a\""), "If-None-Match", "\"b\"");
    weak_condition: unchanged(tagged("\"a\""), "If-None-Match", "W/\"a\"");
    weak_stored: unchanged(tagged("W/\"a\""), "If-None-Match", "\"a\"");
    both_weak: unchanged(tagged("W/\"a\""), "If-None-Match", "W/\"a\"");
    weak_in_lower_case: in_full(tagged("\"a\""), "If-None-Match", "w/\"a\"");
    case_of_tags: in_full(tagged("\"a\""), "If-None-Match", "\"A\"");
    list: unchanged(tagged("\"b\""), "If-None-Match", "\"a\", \"b\", \"c\"");
    list_without_spaces: unchanged(tagged("\"b\""), "If-None-Match", "\"a\",\"b\",\"c\"");
    list_without: in_full(tagged("\"d\""), "If-None-Match", "\"a\", \"b\", \"c\"");
    list_with_weak: unchanged(tagged("\"b\""), "If-None-Match", "\"a\", W/\"b\"");
    lines: first(tagged("\"b\""), get().with("If-None-Match", "\"a\"").with("If-None-Match", "\"b\"").cached().status(304));
    empty_members: unchanged(tagged("\"b\""), "If-None-Match", ", \"a\",, \"b\"");
    comma_in_a_tag: unchanged(tagged("\"a,b\""), "If-None-Match", "\"x\", \"a,b\"");
    part_of_a_tag: in_full(tagged("\"b\""), "If-None-Match", "\"a, \"b");
    backslash_in_a_tag: unchanged(tagged("\"a\\\""), "If-None-Match", "\"a\\\"");
    empty_tag: unchanged(tagged("\"\""), "If-None-Match", "\"\"");
    tag_above_ascii: unchanged(tagged("\"\u{e9}\""), "If-None-Match", "\"\u{e9}\"");
    star: unchanged(tagged("\"a\""), "If-None-Match", "*");
    star_without_a_tag: unchanged(ok("max-age=3600"), "If-None-Match", "*");
    star_in_quotes: in_full(tagged("\"a\""), "If-None-Match", "\"*\"");
    stored_without_a_tag: in_full(ok("max-age=3600"), "If-None-Match", "\"a\"");
    no_tag: in_full(tagged("\"a\""), "If-None-Match", "\"a");
    tag_before_date: first(
        modified(-1000).with("ETag", "\"a\""),
        get().with("If-None-Match", "\"b\"").with("If-Modified-Since", date(0)).cached().status(200),
    );
    tag_before_an_older_date: first(
        modified(-1000).with("ETag", "\"a\""),
        get().with("If-None-Match", "\"a\"").with("If-Modified-Since", date(-5000)).cached().status(304),
    );
    since_equal: { let day = date(-1000); unchanged(ok("max-age=3600").with("Last-Modified", &day), "If-Modified-Since", &day) };
    since_later: unchanged(modified(-1000), "If-Modified-Since", date(-500));
    since_earlier: in_full(modified(-1000), "If-Modified-Since", date(-1500));
    since_rfc850: unchanged(modified(-1000), "If-Modified-Since", date_rfc850(-500));
    since_asctime: unchanged(modified(-1000), "If-Modified-Since", date_asctime(-500));
    since_nonsense: in_full(modified(-1000), "If-Modified-Since", "foo");
    since_without_zone: in_full(modified(-1000), "If-Modified-Since", date_in_zone(-500, "").trim_end());
    since_twice: first(
        modified(-1000),
        get().with("If-Modified-Since", date(-500)).with("If-Modified-Since", date(-400)).cached().status(200),
    );
    since_the_date: unchanged(ok("max-age=3600").with("Date", date(-100)), "If-Modified-Since", date(-50));
    since_before_the_date: in_full(ok("max-age=3600").with("Date", date(-100)), "If-Modified-Since", date(-500));
    head_and_tag: first(tagged("\"a\""), head().with("If-None-Match", "\"a\"").cached().status(304));
    head_and_date: first(modified(-1000), head().with("If-Modified-Since", date(-500)).cached().status(304));
    fields_of_304: {
        let (day, expires) = (date(-10), date(3600));
        let stored = tagged("\"a\"").with("Date", &day).with("Expires", &expires).with("Vary", "Foo").with("Content-Location", "/c");
        first(stored, get().with("If-None-Match", "\"a\"").cached().status(304)
            .has("date", day).has("expires", expires).has("etag", "\"a\"").has("vary", "Foo").has("content-location", "/c")
            .has("cache-control", "max-age=3600"))
    };
    no_content_fields_of_304: first(
        tagged("\"a\"").with("Content-Type", "text/x-odd").with("Content-Language", "de"),
        get().with("If-None-Match", "\"a\"").cached().status(304).lacks("content-type").lacks("content-language"),
    );
    not_for_404: first(
        status(404).with("Cache-Control", "max-age=3600").with("ETag", "\"a\""),
        get().with("If-None-Match", "\"a\"").cached().status(404),
    );
    nothing_stored: vec![
        get().with("If-None-Match", "\"a\"").asks(status(304).with("ETag", "\"a\"")).status(304).origin_got("if-none-match", "\"a\""),
    ];
    nothing_stored_and_date: {
        let day = date(-1000);
        vec![get().with("If-Modified-Since", &day).asks(status(304)).status(304).origin_got("if-modified-since", &day)]
    };
    nothing_stored_and_200: vec![
        get().with("If-None-Match", "\"a\"").asks(tagged("\"b\"")).status(200),
        get().cached(),
    ];
    another_variant_stored: vec![
        get().with("Foo", "1").asks(tagged("\"a\"").with("Vary", "Foo")),
        get().with("Foo", "2").with("If-None-Match", "\"b\"").asks(plain().with("ETag", "\"c\"").with("Vary", "Foo")).status(200),
    ];
    stale_and_same: first(
        tagged("\"a\"").with("Age", "7200"),
        get().with("If-None-Match", "\"a\"").confirmed_by(status(304).with("ETag", "\"a\"")).status(304),
    );
    stale_and_different: first(
        tagged("\"a\"").with("Age", "7200"),
        get().with("If-None-Match", "\"b\"").confirmed_by(status(304).with("ETag", "\"a\"")).status(200),
    );
    stale_and_new: first(
        tagged("\"a\"").with("Age", "7200"),
        get().with("If-None-Match", "\"a\"").asks(tagged("\"b\"").body("new")).status(200),
    );
    no_cache_stored: first(
        ok("no-cache").with("ETag", "\"a\""),
        get().with("If-None-Match", "\"a\"").confirmed_by(status(304).with("ETag", "\"a\"")).status(304),
    );
    if_match: first(tagged("\"a\""), get().with("If-Match", "\"b\"").either(plain()).check(not_412));
    if_unmodified_since: first(modified(-1000), get().with("If-Unmodified-Since", date(-5000)).either(plain()).check(not_412));
    if_match_of_a_write: first(
        tagged("\"a\""),
        request("PUT").content("x").with("If-Match", "\"b\"").asks(status(412)).status(412).origin_got("if-match", "\"b\""),
    );
    if_unmodified_since_of_a_write: {
        let day = date(-1000);
        vec![request("PUT").content("x").with("If-Unmodified-Since", &day).asks(status(412)).origin_got("if-unmodified-since", &day)]
    };
    if_none_match_of_a_write: first(
        tagged("\"a\""),
        request("PUT").content("x").with("If-None-Match", "*").asks(status(412)).status(412).origin_got("if-none-match", "*"),
    );
    unquoted_tag: first(tagged("a"), get().with("If-None-Match", "a").either(plain()).check(|seen| {
        assert!(matches!(seen.head.status(), 200 | 304), "status {}", seen.head.status());
    }));
}

fn not_412(seen: &super::step::Seen) {
    assert_eq!(seen.head.status(), 200);
}
