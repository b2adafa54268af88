
//! RFC 9111 sections 3.3 and 3.4: answers with 206, what they may be used for, and what becomes of several. Must not: cut what is whole.

use super::{
    answer::{Answer, ok, status},
    date::date,
    step::{Step, get},
};

const TEN: &str = "0123456789";

fn range(range: &str) -> Step {
    get().with("Range", range)
}

fn part(first: usize, last: usize) -> Answer {
    status(206)
        .with("Cache-Control", "max-age=3600")
        .with("ETag", "\"a\"")
        .with("Content-Range", format!("bytes {first}-{last}/10"))
        .body(&TEN[first..=last])
}

fn whole() -> Answer {
    ok("max-age=3600").with("ETag", "\"a\"").body(TEN)
}

cases! {
    passed_on: vec![range("bytes=2-4").asks(part(2, 4)).status(206).body("234").has("content-range", "bytes 2-4/10")];
    if_range_is_passed_on: vec![range("bytes=2-4").with("If-Range", "\"a\"").asks(part(2, 4)).status(206).origin_got("if-range", "\"a\"")];
    a_416_is_passed_on: vec![range("bytes=20-30").asks(status(416).with("Content-Range", "bytes */10")).has("content-range", "bytes */10")];
    several_are_passed_on: {
        let body = "--b\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n--b\r\nContent-Range: bytes 4-4/10\r\n\r\n4\r\n--b--\r\n";
        let answer = status(206).with("Content-Type", "multipart/byteranges; boundary=b").with("Cache-Control", "max-age=3600").body(body);
        vec![
            range("bytes=0-0, 4-4").asks(answer).status(206).body(body).origin_got("range", "bytes=0-0, 4-4"),
            get().asks(whole()).status(200).body(TEN),
        ]
    };
    not_used_as_whole: vec![
        range("bytes=2-4").asks(part(2, 4)).status(206),
        get().asks(whole()).status(200).body(TEN),
    ];
    not_used_for_another_part: vec![
        range("bytes=2-4").asks(part(2, 4)).status(206),
        range("bytes=4-6").asks(part(4, 6)).status(206).body("456"),
    ];
    not_used_for_an_open_range: vec![
        range("bytes=2-4").asks(part(2, 4)).status(206),
        range("bytes=2-").asks(part(2, 9)).status(206).body("23456789"),
    ];
    used_for_the_same_part: vec![
        range("bytes=2-4").asks(part(2, 4)).status(206),
        range("bytes=2-4").cached().status(206).body("234").has("content-range", "bytes 2-4/10"),
    ];
    used_for_a_part_within: vec![
        range("bytes=2-6").asks(part(2, 6)).status(206),
        range("bytes=3-4").cached().status(206).body("34").has("content-range", "bytes 3-4/10"),
    ];
    used_for_a_suffix: vec![
        range("bytes=5-").asks(part(5, 9)).status(206),
        range("bytes=-2").cached().status(206).body("89").has("content-range", "bytes 8-9/10"),
    ];
    never_sent_as_200: vec![
        range("bytes=0-4").asks(part(0, 4)).status(206),
        get().with("If-None-Match", "\"b\"").asks(whole()).status(200).body(TEN),
    ];
    all_bytes_are_the_whole: vec![
        range("bytes=0-").asks(part(0, 9)).status(206),
        range("bytes=3-4").cached().status(206).body("34"),
    ];
    stale_part: vec![
        range("bytes=2-4").asks(status(206).with("Cache-Control", "max-age=10").with("Age", "20")
            .with("Content-Range", "bytes 2-4/10").body("234")).status(206),
        range("bytes=2-4").asks(part(2, 4)).status(206),
    ];
    part_with_no_store: vec![
        range("bytes=2-4").asks(status(206).with("Cache-Control", "no-store").with("Content-Range", "bytes 2-4/10").body("234")).status(206),
        range("bytes=2-4").asks(part(2, 4)).status(206),
    ];
    another_unit: vec![
        range("lines=2-4").asks(status(206).with("Cache-Control", "max-age=3600").with("Content-Range", "lines 2-4/10").body("234")).status(206),
        range("bytes=2-4").asks(part(2, 4)).status(206),
        get().asks(whole()).status(200),
    ];
    different_tags: vec![
        range("bytes=0-4").asks(part(0, 4)).status(206),
        range("bytes=5-9").asks(status(206).with("Cache-Control", "max-age=3600").with("ETag", "\"b\"")
            .with("Content-Range", "bytes 5-9/10").body("VWXYZ")).status(206),
        get().asks(whole()).status(200).body(TEN),
    ];
    weak_tags: {
        let weak = |first: usize, last: usize| status(206).with("Cache-Control", "max-age=3600").with("ETag", "W/\"a\"")
            .with("Content-Range", format!("bytes {first}-{last}/10")).body(&TEN[first..=last]);
        vec![
            range("bytes=0-4").asks(weak(0, 4)).status(206),
            range("bytes=5-9").asks(weak(5, 9)).status(206),
            get().asks(whole()).status(200).body(TEN),
        ]
    };
    completed: vec![
        range("bytes=0-4").asks(part(0, 4)).status(206),
        get().asks(part(5, 9)).origin_got("if-range", "\"a\"").status(200).body(TEN).check(|seen| {
            let range = seen.received[0].head.get("range");
            assert!(matches!(range.as_deref(), Some("bytes=5-" | "bytes=5-9")), "{range:?}");
        }),
        get().cached().status(200).body(TEN),
    ];
    completion_refused: vec![
        range("bytes=0-4").asks(part(0, 4)).status(206),
        get().asks(ok("max-age=3600").with("ETag", "\"b\"").body("ABCDEFGHIJ")).status(200).body("ABCDEFGHIJ"),
        get().cached().status(200).body("ABCDEFGHIJ"),
    ];
    answered_in_full: vec![
        range("bytes=2-4").asks(whole()).status(200).body(TEN),
        get().cached().status(200).body(TEN),
    ];
    another_variant: vec![
        range("bytes=2-4").with("Foo", "1").asks(part(2, 4).with("Vary", "Foo")).status(206),
        range("bytes=2-4").with("Foo", "2").asks(part(2, 4).with("Vary", "Foo")).status(206),
    ];
    wrong_length: vec![
        range("bytes=2-4").asks(part(2, 4).body("2345678")).status(206),
        range("bytes=2-4").asks(part(2, 4)).status(206).body("234"),
    ];
    whole_is_kept: {
        let day = date(-86_400);
        vec![
            get().asks(whole().with("Last-Modified", &day)),
            range("bytes=2-4").with("Cache-Control", "no-cache").either(part(2, 4).with("Last-Modified", &day)).status(206).body("234"),
            get().either(whole()).status(200).body(TEN),
        ]
    };
    content_range_of_a_200: vec![
        get().asks(ok("max-age=3600").with("Content-Range", "bytes 0-3/10").body("0123")),
        range("bytes=5-6").cached().status(416).has("content-range", "bytes */4"),
    ];
}
