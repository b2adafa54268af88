
//! RFC 9111 sections 4.3.1 and 4.3.3: how the cache asks whether a stored answer still holds, and what it makes of the answer. Must not:
//! test which fields a 304 changes.

use super::{
    answer::{Answer, closes, ok, plain, status},
    date::date,
    step::{first, get},
};

fn old() -> Answer {
    ok("max-age=10").with("Age", "20")
}

fn same(tag: &str) -> Answer {
    status(304).with("ETag", tag)
}

cases! {
    sends_the_tag: first(old().with("ETag", "\"a\""), get().confirmed_by(same("\"a\"")).origin_got("if-none-match", "\"a\""));
    sends_the_weak_tag: first(old().with("ETag", "W/\"a\""), get().confirmed_by(same("W/\"a\"")).origin_got("if-none-match", "W/\"a\""));
    sends_the_date: {
        let day = date(-1000);
        first(old().with("Last-Modified", &day), get().confirmed_by(status(304).with("Last-Modified", &day)).origin_got("if-modified-since", &day))
    };
    sends_both: {
        let day = date(-1000);
        let stored = old().with("Last-Modified", &day).with("ETag", "\"a\"");
        first(stored, get().confirmed_by(same("\"a\"")).origin_got("if-modified-since", &day).origin_got("if-none-match", "\"a\""))
    };
    sends_nothing_without_a_validator: first(old(), get().asks(plain()).origin_lacks("if-none-match").origin_lacks("if-modified-since"));
    a_304_makes_fresh: vec![
        get().asks(old().with("ETag", "\"a\"").body("stored")),
        get().confirmed_by(same("\"a\"").with("Cache-Control", "max-age=3600")).status(200).body("stored"),
        get().cached().body("stored"),
    ];
    a_304_without_a_lifetime: vec![
        get().asks(ok("max-age=3600").with("Age", "7200").with("ETag", "\"a\"")),
        get().confirmed_by(same("\"a\"")),
        get().cached(),
    ];
    a_304_to_a_date: {
        let day = date(-1000);
        vec![
            get().asks(old().with("Last-Modified", &day)),
            get().confirmed_by(status(304).with("Last-Modified", &day).with("Cache-Control", "max-age=3600")),
            get().cached(),
        ]
    };
    a_200_replaces: vec![
        get().asks(old().with("ETag", "\"a\"").body("old")),
        get().asks(ok("max-age=3600").with("ETag", "\"b\"").body("new")),
        get().cached().body("new"),
    ];
    a_200_replaces_the_fields: vec![
        get().asks(old().with("ETag", "\"a\"").with("X-Old", "a")),
        get().asks(ok("max-age=3600")).lacks("x-old"),
        get().cached().lacks("x-old").lacks("etag"),
    ];
    a_404_replaces: vec![
        get().asks(old().with("ETag", "\"a\"")),
        get().asks(status(404).with("Cache-Control", "max-age=3600")),
        get().cached().status(404),
    ];
    a_200_not_to_be_stored: vec![
        get().asks(old().with("ETag", "\"a\"").body("old")),
        get().asks(ok("no-store").body("new")),
        get().asks(plain().body("newer")),
    ];
    validated_after_a_503: vec![
        get().asks(ok("max-age=10, must-revalidate").with("Age", "20").with("ETag", "\"a\"").body("stored")),
        get().fails_with(status(503)),
        get().confirmed_by(same("\"a\"").with("Cache-Control", "max-age=3600")).body("stored"),
        get().cached().body("stored"),
    ];
    validated_after_closing: vec![
        get().asks(ok("max-age=10, must-revalidate").with("Age", "20").with("ETag", "\"a\"").body("stored")),
        get().fails_with(closes()),
        get().confirmed_by(same("\"a\"")).body("stored"),
    ];
    a_304_with_another_tag: vec![
        get().asks(old().with("ETag", "\"a\"").body("old")),
        get().asks_each(vec![same("\"b\"").with("Cache-Control", "max-age=3600"), ok("max-age=3600").with("ETag", "\"b\"").body("new")])
            .status(200).body("new").origin_lacks_last("if-none-match"),
        get().cached().body("new"),
    ];
    a_304_without_a_validator: first(
        old().with("ETag", "\"a\"").body("stored"),
        get().confirmed_by(status(304)).status(200).body("stored"),
    );
    a_304_with_a_weak_tag: vec![
        get().asks(old().with("ETag", "W/\"a\"")),
        get().confirmed_by(same("W/\"a\"").with("Cache-Control", "max-age=3600")),
        get().cached(),
    ];
    a_304_selects: vec![
        get().with("Foo", "1").asks(old().with("ETag", "\"1\"").with("Vary", "Foo").body("one")),
        get().with("Foo", "2").asks(old().with("ETag", "\"2\"").with("Vary", "Foo").body("two")),
        get().with("Foo", "2").confirmed_by(same("\"2\"").with("Vary", "Foo").with("Cache-Control", "max-age=3600")).body("two"),
        get().with("Foo", "2").cached().body("two"),
        get().with("Foo", "1").asks(plain()),
    ];
    sends_the_selecting_fields: vec![
        get().with("Foo", "1").asks(old().with("ETag", "\"a\"").with("Vary", "Foo")),
        get().with("Foo", "1").confirmed_by(same("\"a\"").with("Vary", "Foo")).origin_got("foo", "1"),
    ];
    without_a_validator: vec![get().asks(old()), get().asks(old()), get().asks(ok("max-age=3600")), get().cached()];
    stale_on_arrival: first(
        ok("max-age=0").with("ETag", "\"a\"").body("stored"),
        get().confirmed_by(same("\"a\"")).origin_got("if-none-match", "\"a\"").body("stored"),
    );
    without_a_lifetime: first(
        plain().with("ETag", "\"a\"").body("stored"),
        get().confirmed_by(same("\"a\"")).origin_got("if-none-match", "\"a\"").body("stored"),
    );
}
