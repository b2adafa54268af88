
//! RFC 9110 section 14 and RFC 9111 section 3.2: parts of a stored answer. Must not: store parts.

use super::{
    answer::{Answer, ok, plain, status},
    date::date,
    step::{Step, first, get, head, request},
};

const TEN: &str = "0123456789";

fn ten() -> Answer {
    ok("max-age=3600").with("ETag", "\"a\"").body(TEN)
}

fn range(range: &str) -> Step {
    get().with("Range", range)
}

fn part(asked: &str, content: &str, content_range: &str) -> Vec<Step> {
    first(ten(), range(asked).cached().status(206).body(content).has("content-range", content_range))
}

fn whole(step: Step) -> Vec<Step> {
    first(ten(), step.cached().status(200).body(TEN).lacks("content-range"))
}

fn unsatisfiable(asked: &str) -> Vec<Step> {
    first(ten(), range(asked).cached().status(416).has("content-range", "bytes */10"))
}

cases! {
    beginning: part("bytes=0-1", "01", "bytes 0-1/10");
    middle: part("bytes=3-5", "345", "bytes 3-5/10");
    one_byte: part("bytes=9-9", "9", "bytes 9-9/10");
    open: part("bytes=4-", "456789", "bytes 4-9/10");
    behind_the_end: part("bytes=8-1000", "89", "bytes 8-9/10");
    suffix: part("bytes=-3", "789", "bytes 7-9/10");
    longer_suffix: part("bytes=-1000", TEN, "bytes 0-9/10");
    whole_range: part("bytes=0-9", TEN, "bytes 0-9/10");
    unit_in_mixed_case: part("Bytes=0-1", "01", "bytes 0-1/10");
    length_of_the_part: first(ten(), range("bytes=3-5").cached().status(206).has("content-length", "3"));
    fields_of_206: {
        let (day, expires) = (date(-10), date(3600));
        first(
            ten().with("Date", &day).with("Expires", &expires).with("Vary", "Foo"),
            range("bytes=0-1").cached().status(206).has("date", day).has("expires", expires).has("vary", "Foo")
                .has("etag", "\"a\"").has("cache-control", "max-age=3600"),
        )
    };
    unsatisfiable_beginning: unsatisfiable("bytes=10-");
    unsatisfiable_range: unsatisfiable("bytes=100-200");
    unsatisfiable_suffix: unsatisfiable("bytes=-0");
    unknown_unit: whole(range("lines=0-1"));
    end_before_beginning: whole(range("bytes=5-3"));
    unreadable: whole(range("bytes=a-b"));
    empty: whole(range("bytes="));
    of_head: first(ten(), head().with("Range", "bytes=0-1").cached().status(200).has("content-length", "10").lacks("content-range"));
    if_range_same: first(ten(), range("bytes=0-1").with("If-Range", "\"a\"").cached().status(206).body("01"));
    if_range_different: whole(range("bytes=0-1").with("If-Range", "\"b\""));
    if_range_weak: first(
        ok("max-age=3600").with("ETag", "W/\"a\"").body(TEN),
        range("bytes=0-1").with("If-Range", "W/\"a\"").cached().status(200).body(TEN),
    );
    if_range_weak_condition: whole(range("bytes=0-1").with("If-Range", "W/\"a\""));
    if_range_date: {
        let day = date(-86_400);
        first(
            ok("max-age=3600").with("Last-Modified", &day).body(TEN),
            range("bytes=0-1").with("If-Range", &day).cached().status(206).body("01"),
        )
    };
    if_range_later_date: first(
        ok("max-age=3600").with("Last-Modified", date(-86_400)).body(TEN),
        range("bytes=0-1").with("If-Range", date(-80_000)).cached().status(200).body(TEN),
    );
    if_range_without_validator: first(
        ok("max-age=3600").body(TEN),
        range("bytes=0-1").with("If-Range", "\"a\"").cached().status(200).body(TEN),
    );
    if_range_alone: whole(get().with("If-Range", "\"a\""));
    condition_before_range: first(ten(), range("bytes=0-1").with("If-None-Match", "\"a\"").cached().status(304));
    other_condition_and_range: first(ten(), range("bytes=0-1").with("If-None-Match", "\"b\"").cached().status(206).body("01"));
    several: first(ten(), range("bytes=0-1, 4-5").either(ten().body(TEN)).check(|seen| {
        let whole = seen.head.status() == 200 && seen.content.bytes == TEN.as_bytes();
        let content_type = seen.head.get("content-type").unwrap_or_default();
        let parts = seen.head.status() == 206 && content_type.starts_with("multipart/byteranges");
        assert!(whole || parts, "{:?}", seen.head);
    }));
    of_404: first(
        status(404).with("Cache-Control", "max-age=3600").body(TEN),
        range("bytes=0-1").cached().status(404).body(TEN),
    );
    stale: first(ok("max-age=10").with("Age", "20").body(TEN), range("bytes=0-1").asks(plain().body(TEN)));
    validated: first(
        ok("max-age=10").with("Age", "20").with("ETag", "\"a\"").body(TEN),
        range("bytes=0-1").confirmed_by(status(304).with("ETag", "\"a\"")).status(206).body("01"),
    );
    of_a_write: vec![request("PUT").content("x").with("Range", "bytes=0-1").asks(plain()).origin_got("range", "bytes=0-1")];
    whole_after_a_part: vec![
        get().asks(ten()),
        range("bytes=0-1").cached().status(206).body("01"),
        get().cached().status(200).body(TEN),
    ];
}
