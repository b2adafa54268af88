
//! RFC 9111 section 3.2: which fields a 304 changes in a stored answer. Must not: test when the cache validates.

use super::{
    answer::{Answer, ok, status},
    date::date,
    step::{Step, get},
};

fn stored() -> Answer {
    ok("max-age=10").with("Age", "20").with("ETag", "\"a\"").with("X-Kept", "kept").with("X-Changed", "old").body("12345678")
}

fn update() -> Answer {
    status(304).with("ETag", "\"a\"").with("Cache-Control", "max-age=3600")
}

/// The field as it is stored, as the 304 has it, and as both the validating and the next client see it.
fn field(name: &'static str, old: &str, new: &str, seen: &str) -> Vec<Step> {
    vec![
        get().asks(stored().with(name, old)),
        get().confirmed_by(update().with(name, new)).has(name, seen),
        get().cached().has(name, seen),
    ]
}

fn replaced(name: &'static str, old: &str, new: &str) -> Vec<Step> {
    field(name, old, new, new)
}

cases! {
    unknown_field: replaced("X-Test", "old", "new");
    field_added: vec![
        get().asks(stored()),
        get().confirmed_by(update().with("X-New", "new")).has("x-new", "new"),
        get().cached().has("x-new", "new").has("x-kept", "kept"),
    ];
    field_kept: vec![
        get().asks(stored()),
        get().confirmed_by(update().with("X-Changed", "new")).has("x-kept", "kept").has("x-changed", "new"),
        get().cached().has("x-kept", "kept").has("x-changed", "new"),
    ];
    lines_replaced_by_one: vec![
        get().asks(stored().with("X-Test", "1").with("X-Test", "2")),
        get().confirmed_by(update().with("X-Test", "3")),
        get().cached().has("x-test", "3"),
    ];
    line_replaced_by_several: vec![
        get().asks(stored().with("X-Test", "1")),
        get().confirmed_by(update().with("X-Test", "2").with("X-Test", "3")),
        get().cached().has("x-test", "2, 3"),
    ];
    cache_control: vec![get().asks(stored()), get().confirmed_by(update()), get().cached().has("cache-control", "max-age=3600")];
    stricter_cache_control: vec![
        get().asks(stored()),
        get().confirmed_by(status(304).with("ETag", "\"a\"").with("Cache-Control", "max-age=0")),
        get().confirmed_by(update()),
    ];
    expires: replaced("Expires", &date(-1000), &date(5000));
    date_of_the_304: {
        let day = date(-5);
        vec![
            get().asks(stored().with("Date", date(-1000))),
            get().confirmed_by(update().with("Date", &day)).has("date", &day),
            get().cached().has("date", &day),
        ]
    };
    last_modified: replaced("Last-Modified", &date(-1000), &date(-500));
    content_language: replaced("Content-Language", "de", "en");
    content_location: replaced("Content-Location", "/a", "/b");
    content_disposition: replaced("Content-Disposition", "inline", "attachment");
    content_security_policy: replaced("Content-Security-Policy", "default-src 'self'", "default-src 'none'");
    clear_site_data: replaced("Clear-Site-Data", "\"cache\"", "\"cookies\"");
    set_cookie: replaced("Set-Cookie", "a=b", "a=c");
    strict_transport_security: replaced("Strict-Transport-Security", "max-age=1", "max-age=2");
    x_frame_options: replaced("X-Frame-Options", "deny", "sameorigin");
    x_content_type_options: replaced("X-Content-Type-Options", "nosniff", "none");
    x_xss_protection: replaced("X-XSS-Protection", "1", "0");
    link: replaced("Link", "</a>; rel=b", "</c>; rel=d");
    server: replaced("Server", "a/1", "b/2");
    etag: vec![get().asks(stored()), get().confirmed_by(update()).has("etag", "\"a\""), get().cached().has("etag", "\"a\"")];
    content_length: field("Content-Length", "8", "9999", "8");
    connection: vec![
        get().asks(stored()),
        get().confirmed_by(update().with("Connection", "X-Hop").with("X-Hop", "a")).lacks("x-hop"),
        get().cached().lacks("x-hop"),
    ];
    proxy_authenticate: vec![
        get().asks(stored()),
        get().confirmed_by(update().with("Proxy-Authenticate", "Basic realm=a")),
        get().cached().lacks("proxy-authenticate"),
    ];
    content_stays: vec![
        get().asks(stored()),
        get().confirmed_by(update().with("Trailer", "X-T")).body("12345678"),
        get().cached().body("12345678"),
    ];
    content_type: vec![
        get().asks(stored()),
        get().confirmed_by(update().with("Content-Type", "text/x-odd")).body("12345678"),
        get().cached().body("12345678"),
    ];
    vary: vec![
        get().with("Foo", "1").asks(stored()),
        get().with("Foo", "1").confirmed_by(update().with("Vary", "Foo")),
        get().with("Foo", "2").asks(super::answer::plain()),
    ];
    status_stays: vec![
        get().asks(stored()),
        get().confirmed_by(update()).status(200).has("content-length", "8"),
        get().cached().status(200).has("content-length", "8"),
    ];
}
