
//! RFC 9213: cache control meant for caches like this one, as a structured field (RFC 8941, 9651). Must not: test what directives do.

use super::{
    answer::{Answer, closes, ok, plain, status},
    date::date,
    step::{Step, first, get, not_reused, reused},
};

fn cdn(value: &str) -> Answer {
    plain().with("CDN-Cache-Control", value)
}

/// A targeted field beside a `Cache-Control`.
fn both(cdn_value: &str, cache_control: &str) -> Answer {
    cdn(cdn_value).with("Cache-Control", cache_control)
}

/// The field is ignored: `Cache-Control` decides, in both directions.
fn ignored(value: &str) -> Vec<Step> {
    vec![
        get().at("/fresh").asks(both(value, "max-age=3600")),
        get().at("/fresh").cached(),
        get().at("/stale").asks(both(value, "max-age=0")),
        get().at("/stale").asks(plain()),
    ]
}

cases! {
    max_age: reused(cdn("max-age=3600"));
    longer_than_cache_control: reused(both("max-age=3600", "max-age=1").with("Age", "100"));
    shorter_than_cache_control: not_reused(both("max-age=1", "max-age=3600").with("Age", "100"));
    before_s_maxage: not_reused(both("max-age=1", "s-maxage=3600").with("Age", "100"));
    before_a_past_expires: reused(cdn("max-age=3600").with("Expires", date(-3600)));
    before_a_future_expires: not_reused(cdn("max-age=1").with("Expires", date(3600)).with("Age", "100"));
    expires_is_ignored: not_reused(cdn("no-cache").with("Expires", date(3600)));
    max_age_0: not_reused(both("max-age=0", "max-age=3600"));
    no_store: not_reused(both("no-store", "max-age=3600"));
    no_store_beside_a_lifetime: not_reused(cdn("max-age=3600, no-store"));
    private: not_reused(both("private, max-age=3600", "max-age=3600"));
    no_cache: first(
        both("no-cache", "max-age=3600").with("ETag", "\"a\""),
        get().confirmed_by(status(304).with("ETag", "\"a\"")).origin_got("if-none-match", "\"a\""),
    );
    no_store_of_cache_control: reused(both("max-age=3600", "no-store"));
    private_of_cache_control: reused(both("max-age=3600", "private"));
    no_cache_of_cache_control: reused(both("max-age=3600", "no-cache"));
    must_revalidate: first(
        both("max-age=10, must-revalidate", "max-age=3600").with("Age", "20"),
        get().fails_with(closes()).status(504),
    );
    stale_if_error: first(
        both("max-age=10, stale-if-error=600", "max-age=3600").with("Age", "20"),
        get().cached_over(status(503)),
    );
    stale_while_revalidate: first(
        both("max-age=10, stale-while-revalidate=600", "max-age=0").with("Age", "20"),
        get().cached_then_asks(plain()),
    );
    age_counts: not_reused(cdn("max-age=3600").with("Age", "7200"));
    unknown_directive: reused(cdn("foo, bar=baz, max-age=3600"));
    name_in_mixed_case: reused(plain().with("cdn-CACHE-control", "max-age=3600"));
    two_lines: not_reused(cdn("max-age=3600").with("CDN-Cache-Control", "no-store"));
    last_member_counts: reused(cdn("max-age=1, max-age=3600").with("Age", "100"));
    last_member_counts_when_short: not_reused(cdn("max-age=3600, max-age=1").with("Age", "100"));
    parameters: reused(cdn("max-age=3600;foo=bar"));
    parameters_like_directives: reused(cdn("max-age=3600;no-store"));
    leading_zeros: reused(cdn("max-age=0003600"));
    fifteen_digits: reused(cdn("max-age=999999999999999"));
    sixteen_digits: ignored("max-age=9999999999999999");
    upper_case: ignored("MAX-AGE=60, no-store");
    parse_error_at_the_end: ignored("no-store, max-age=60, &");
    parse_error_at_the_beginning: ignored("&, no-store, max-age=60");
    trailing_comma: ignored("no-store,");
    two_commas: ignored("no-store,, max-age=60");
    no_value: ignored("no-store, max-age=");
    space_before_equals: ignored("no-store, max-age =60");
    space_behind_equals: ignored("no-store, max-age= 60");
    unterminated_quotes: ignored("no-store, foo=\"bar");
    above_ascii: ignored("no-store, foo=\u{e9}");
    semicolon: ignored("no-store; ;max-age=60");
    parse_error_in_the_second_line: {
        let broken = |cache_control: &str| cdn("no-store").with("CDN-Cache-Control", "&").with("Cache-Control", cache_control);
        vec![
            get().at("/a").asks(broken("max-age=3600")), get().at("/a").cached(),
            get().at("/b").asks(broken("max-age=0")), get().at("/b").asks(plain()),
        ]
    };
    empty: ignored("");
    lifetime_as_string: not_reused(both("max-age=\"3600\"", "max-age=0"));
    lifetime_as_decimal: not_reused(both("max-age=3600.0", "max-age=0"));
    lifetime_as_token: not_reused(both("max-age=a3600", "max-age=0"));
    lifetime_as_boolean: not_reused(both("max-age", "max-age=0"));
    lifetime_negative: not_reused(both("max-age=-3600", "max-age=0"));
    lifetime_as_inner_list: not_reused(both("max-age=(3600)", "max-age=0"));
    string_with_directives: reused(cdn("foo=\"no-store, private\", max-age=3600"));
    without_the_field: first(ok("max-age=3600"), get().cached());
    each_answer_anew: vec![
        get().asks(both("max-age=10", "max-age=3600").with("Age", "20")),
        get().asks(ok("max-age=3600")),
        get().cached(),
    ];
    brought_by_a_304: vec![
        get().asks(ok("max-age=0").with("ETag", "\"a\"")),
        get().confirmed_by(status(304).with("ETag", "\"a\"").with("CDN-Cache-Control", "max-age=3600")),
        get().cached(),
    ];
}
