
//! RFC 9110 section 9 and RFC 9111 sections 3, 4 and 4.3.5: which methods are answered from the cache, stored and passed on. Must not: test
//! invalidation by them.

use super::{
    answer::{Answer, ok, plain, status},
    date::date,
    step::{Seen, Step, get, head, request},
};

fn tagged(cache_control: &str) -> Answer {
    ok(cache_control).with("ETag", "\"a\"").body("12345678")
}

/// GET is stored, then the origin answers HEAD.
fn after_head(stored: Answer, to_head: Answer, then: Step) -> Vec<Step> {
    vec![get().asks(stored), head().with("Cache-Control", "no-cache").asks(to_head), then]
}

fn origin_saw(method: &'static str, content: &'static str) -> impl Fn(&Seen) + Send {
    move |seen| {
        let received = seen.received.last().unwrap();
        assert_eq!(received.head.method(), method);
        assert_eq!(String::from_utf8_lossy(&received.content.bytes), content);
    }
}

fn passed_on(method: &'static str) -> Vec<Step> {
    let ask = || request(method).content("some content").check(origin_saw(method, "some content"));
    vec![
        get().asks(ok("max-age=3600")),
        ask().asks(ok("max-age=3600").with("X-A", "b").body("one")).body("one").has("x-a", "b"),
        ask().asks(ok("max-age=3600").body("two")).body("two"),
    ]
}

/// Neither the same request nor a GET gets what the method was answered.
fn not_stored(method: &str) -> Vec<Step> {
    vec![
        request(method).asks(ok("max-age=3600").body("first")),
        request(method).asks(ok("max-age=3600").body("second")),
        get().asks(plain().body("third")),
    ]
}

fn post() -> Step {
    request("POST").with("Host", "shop.example").content("x")
}

fn read() -> Step {
    get().with("Host", "shop.example")
}

cases! {
    head_from_get: vec![get().asks(ok("max-age=3600").with("X-A", "b")), head().cached().status(200).has("x-a", "b")];
    head_tells_the_length: vec![get().asks(tagged("max-age=3600")), head().cached().has("content-length", "8")];
    head_not_from_stale: vec![get().asks(ok("max-age=10").with("Age", "20")), head().asks(plain())];
    get_not_from_head: vec![head().asks(ok("max-age=3600")), get().asks(plain())];
    head_has_no_content: vec![head().asks(plain().with("Content-Length", "100")).has("content-length", "100")];
    head_updates: after_head(
        tagged("max-age=3600"),
        tagged("max-age=3600").with("X-New", "b"),
        get().cached().has("x-new", "b").body("12345678"),
    );
    head_refreshes: after_head(tagged("max-age=10").with("Age", "20"), tagged("max-age=3600"), get().cached().body("12345678"));
    head_with_another_tag: after_head(
        tagged("max-age=3600"),
        ok("max-age=3600").with("ETag", "\"b\"").body("12345678"),
        get().asks(plain()),
    );
    head_with_another_date: after_head(
        ok("max-age=3600").with("Last-Modified", date(-1000)).body("12345678"),
        ok("max-age=3600").with("Last-Modified", date(-500)).body("12345678"),
        get().asks(plain()),
    );
    head_with_another_length: after_head(
        tagged("max-age=3600"),
        tagged("max-age=3600").with("Content-Length", "9"),
        get().asks(plain()),
    );
    head_without_a_length: after_head(
        tagged("max-age=3600"),
        tagged("max-age=3600").with("X-New", "b").chunked(&[]),
        get().cached().has("content-length", "8").body("12345678"),
    );
    post_is_passed_on: passed_on("POST");
    put_is_passed_on: passed_on("PUT");
    delete_is_passed_on: passed_on("DELETE");
    patch_is_passed_on: passed_on("PATCH");
    options_is_passed_on: passed_on("OPTIONS");
    options_of_the_server_is_passed_on: vec![
        request("OPTIONS").at("*").asks(plain().with("Allow", "GET")).has("allow", "GET").check(|seen| {
            assert_eq!(seen.received.last().map(|received| received.head.target()), Some("*"));
        }),
    ];
    only_options_asks_about_the_server: vec![get().at("*").generated(400), request("POST").at("*").generated(400)];
    connect_is_refused: vec![request("CONNECT").at("shop.example:443").generated(501)];
    unknown_method_is_passed_on: passed_on("FOO");
    get_in_lower_case_is_passed_on: passed_on("get");
    trace_is_passed_on: vec![
        get().asks(ok("max-age=3600")),
        request("TRACE").asks(plain().with("Content-Type", "message/http")).check(origin_saw("TRACE", "")),
    ];
    chunks_are_passed_on: vec![
        request("POST").with("Transfer-Encoding", "chunked").content("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").asks(plain())
            .check(origin_saw("POST", "hello world")),
    ];
    options_is_not_stored: not_stored("OPTIONS");
    put_is_not_stored: not_stored("PUT");
    delete_is_not_stored: not_stored("DELETE");
    trace_is_not_stored: not_stored("TRACE");
    unknown_method_is_not_stored: not_stored("FOO");
    post_is_not_stored: vec![post().asks(ok("max-age=3600")), read().asks(plain())];
    post_answers_get: vec![post().asks(ok("max-age=3600").with("Content-Location", "/t")), read().cached()];
    post_answers_get_absolute: vec![
        post().asks(ok("max-age=3600").with("Content-Location", "http://shop.example/t")),
        read().cached(),
    ];
    post_does_not_answer_post: vec![
        post().asks(ok("max-age=3600").with("Content-Location", "/t")),
        post().asks(ok("max-age=3600").with("Content-Location", "/t")),
    ];
    post_with_another_location: vec![
        post().asks(ok("max-age=3600").with("Content-Location", "/other")),
        read().asks(plain()),
        read().at("/other").asks(plain()),
    ];
    post_without_a_lifetime: vec![
        post().asks(plain().with("Content-Location", "/t").with("Last-Modified", date(-86_400_000))),
        read().asks(plain()),
    ];
    post_with_a_lifetime_passed: vec![
        post().asks(ok("max-age=10").with("Age", "20").with("Content-Location", "/t")),
        read().asks(plain()),
    ];
    error_to_post: vec![
        read().asks(ok("max-age=3600").body("good")),
        post().asks(status(400)),
        read().cached().body("good"),
    ];
    max_forwards_0_options: vec![request("OPTIONS").with("Max-Forwards", "0").not_passed_on()];
    max_forwards_0_trace: vec![request("TRACE").with("Max-Forwards", "0").not_passed_on()];
    max_forwards_options: vec![request("OPTIONS").with("Max-Forwards", "5").asks(plain()).origin_got("max-forwards", "4")];
    max_forwards_trace: vec![request("TRACE").with("Max-Forwards", "5").asks(plain()).origin_got("max-forwards", "4")];
    max_forwards_0_options_tells_what_it_takes: vec![
        request("OPTIONS").at("*").with("Max-Forwards", "0").generated(204).has("allow", "GET, HEAD, OPTIONS"),
    ];
    max_forwards_get: vec![get().with("Max-Forwards", "0").asks(plain())];
}
