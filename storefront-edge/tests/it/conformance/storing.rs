
//! RFC 9111 sections 3, 3.1 and 5.2.2: directives that forbid storing, and the fields and content that are stored. Must not: test lifetimes.

use super::{
    answer::{Answer, ok, plain, status},
    date::date,
    step::{Step, first, get, not_reused, reused},
};

const YESTERDAY: i64 = -86_400;

fn tagged(cache_control: &str) -> Answer {
    ok(cache_control).with("ETag", "\"a\"")
}

/// Reused or not: the field is not seen a second time.
fn never_seen_again(answer: Answer, name: &'static str) -> Vec<Step> {
    first(answer, get().either(plain()).lacks(name))
}

cases! {
    no_store: not_reused(ok("no-store"));
    no_store_with_a_lifetime: not_reused(ok("max-age=3600, no-store"));
    no_store_with_expires: not_reused(ok("no-store").with("Expires", date(3600)));
    no_store_is_not_validated: first(
        tagged("no-store").with("Last-Modified", date(YESTERDAY)),
        get().asks(plain()).origin_lacks("if-none-match").origin_lacks("if-modified-since"),
    );
    private: not_reused(ok("private, max-age=3600"));
    private_with_s_maxage: not_reused(ok("private, s-maxage=3600"));
    private_with_public: not_reused(ok("public, private, max-age=3600"));
    private_is_not_validated: first(tagged("private"), get().asks(plain()).origin_lacks("if-none-match"));
    private_field: never_seen_again(ok("private=\"X-Private\", max-age=3600").with("X-Private", "a"), "x-private");
    private_fields: never_seen_again(ok("private=\"X-A , x-private\", max-age=3600").with("X-Private", "a"), "x-private");
    private_field_as_a_token: never_seen_again(ok("private=x-private, max-age=3600").with("X-Private", "a"), "x-private");
    private_field_leaves_the_rest: first(
        ok("private=\"X-Private\", max-age=3600").with("X-Private", "a").with("X-Other", "b"),
        get().cached().has("x-other", "b"),
    );
    private_field_reaches_who_asked: vec![
        get().asks(ok("private=\"X-Private\", max-age=3600").with("X-Private", "a")).has("x-private", "a"),
    ];
    no_cache: not_reused(ok("no-cache"));
    no_cache_with_a_lifetime: not_reused(ok("max-age=3600, no-cache"));
    no_cache_is_validated: vec![
        get().asks(tagged("no-cache")),
        get().confirmed_by(status(304).with("ETag", "\"a\"")).origin_got("if-none-match", "\"a\""),
        get().confirmed_by(status(304).with("ETag", "\"a\"")).origin_got("if-none-match", "\"a\""),
    ];
    no_cache_is_validated_by_date: {
        let day = date(YESTERDAY);
        first(
            ok("no-cache").with("Last-Modified", &day),
            get().confirmed_by(status(304).with("Last-Modified", &day)).origin_got("if-modified-since", &day),
        )
    };
    no_cache_field: never_seen_again(ok("no-cache=\"X-Private\", max-age=3600").with("X-Private", "a"), "x-private");
    no_cache_fields: never_seen_again(ok("no-cache=\"a, X-Private\", max-age=3600").with("X-Private", "a"), "x-private");
    no_cache_field_leaves_the_rest: first(
        ok("no-cache=\"X-Private\", max-age=3600").with("X-Private", "a").with("X-Other", "b"),
        get().cached().has("x-other", "b"),
    );
    no_cache_set_cookie: never_seen_again(ok("no-cache=\"Set-Cookie\", max-age=3600").with("Set-Cookie", "a=b"), "set-cookie");
    nothing_said_is_not_kept_for_ever: not_reused(plain().with("Date", date(-31_536_000)));
    unknown_fields: first(ok("max-age=3600").with("X-Unknown", "a"), get().cached().has("x-unknown", "a"));
    lines_of_a_field: first(
        ok("max-age=3600").with("X-A", "1").with("X-B", "between").with("X-A", "2"),
        get().cached().has("x-a", "1, 2"),
    );
    links: first(
        ok("max-age=3600").with("Link", "</a>; rel=\"b\"").with("Link", "</c>; rel=\"d, e\""),
        get().cached().has("link", "</a>; rel=\"b\", </c>; rel=\"d, e\""),
    );
    empty_field: first(ok("max-age=3600").with("X-Empty", ""), get().cached().has("x-empty", ""));
    bytes_above_ascii: first(ok("max-age=3600").with("X-A", "caf\u{e9}"), get().cached().has("x-a", "caf\u{e9}"));
    description_of_the_content: first(
        ok("max-age=3600")
            .with("Content-Type", "text/x-odd; a=\"b\"")
            .with("Content-Language", "de")
            .with("Content-Location", "/other"),
        get().cached().has("content-type", "text/x-odd; a=\"b\"").has("content-language", "de").has("content-location", "/other"),
    );
    directives_are_sent_on: first(
        ok("max-age=3600, foo=\"bar, baz\", public").with("Expires", "0"),
        get().cached().has("cache-control", "max-age=3600, foo=\"bar, baz\", public").has("expires", "0"),
    );
    proxy_authenticate: never_seen_again(ok("max-age=3600").with("Proxy-Authenticate", "Basic realm=a"), "proxy-authenticate");
    proxy_authentication_info: never_seen_again(
        ok("max-age=3600").with("Proxy-Authentication-Info", "a=b"),
        "proxy-authentication-info",
    );
    proxy_authorization: never_seen_again(ok("max-age=3600").with("Proxy-Authorization", "Basic a"), "proxy-authorization");
    bytes: reused(ok("max-age=3600").body((0..=255).cycle().take(300_000).collect::<Vec<u8>>()));
    empty_content: reused(ok("max-age=3600").body(""));
    chunks: reused(ok("max-age=3600").chunked(&[]));
    no_transform: vec![
        get().with("Accept-Encoding", "gzip, br, zstd")
            .asks(ok("max-age=3600, no-transform").with("Content-Type", "text/html").body("a".repeat(5000)))
            .lacks("content-encoding"),
        get().with("Accept-Encoding", "gzip, br, zstd").cached().lacks("content-encoding"),
    ];
    set_cookie: first(ok("max-age=3600").with("Set-Cookie", "a=b"), get().cached().has("set-cookie", "a=b"));
    cookie: vec![
        get().with("Cookie", "a=b").asks(ok("max-age=3600")),
        get().with("Cookie", "a=c").cached(),
        get().cached(),
    ];
}
