
//! RFC 9111 section 3.3, RFC 9112 sections 6 to 8 and RFC 9110 section 6.5: how an answer ends, and whether it did. Must not: test ranges.

use super::{
    answer::{Answer, Framing, ok, plain},
    date::date,
    step::{Seen, Step, get, reused},
};

/// Never a whole answer for the client, and never one for the next.
fn cut(answer: Answer) -> Vec<Step> {
    vec![
        get().asks(answer.body("half of it")).may_end_early().check(incomplete),
        get().asks(ok("max-age=3600").body("all of it")).status(200).body("all of it"),
        get().cached().body("all of it"),
    ]
}

fn incomplete(seen: &Seen) {
    assert!(!seen.content.complete || seen.head.status() >= 500, "a cut answer was passed on as a whole one");
}

cases! {
    cut_before_its_length: cut(ok("max-age=3600").framed(Framing::CutLength { missing: 100 }));
    cut_before_the_last_chunk: cut(ok("max-age=3600").framed(Framing::CutChunks));
    unreadable_chunk: cut(ok("max-age=3600").framed(Framing::BadChunks));
    large_and_cut: vec![
        get().asks(ok("max-age=3600").framed(Framing::CutLength { missing: 1 }).body("a".repeat(100_000))).may_end_early().check(incomplete),
        get().asks(plain()),
    ];
    ends_with_the_connection: reused(ok("max-age=3600").framed(Framing::UntilClose));
    in_chunks: reused(ok("max-age=3600").chunked(&[]));
    length_of_the_stored: vec![get().asks(ok("max-age=3600").chunked(&[]).body("12345")), get().cached().has("content-length", "5")];
    http10: reused(plain().http10().with("Expires", date(3600)));
    http10_no_store: vec![
        get().asks(plain().http10().with("Expires", date(3600)).with("Cache-Control", "no-store")),
        get().asks(plain()),
    ];
    http10_is_passed_on: vec![get().asks(plain().http10()).check(|seen| assert!(seen.head.first.starts_with("HTTP/1.1 200"), "{}", seen.head.first))];
    trailers_are_no_fields: vec![
        get().asks(ok("max-age=3600").chunked(&[("X-Trailer", "late")])).lacks("x-trailer"),
        get().cached().lacks("x-trailer"),
    ];
    cache_control_in_a_trailer: reused(ok("max-age=3600").chunked(&[("Cache-Control", "no-store")]));
    lifetime_in_a_trailer: vec![
        get().asks(plain().chunked(&[("Cache-Control", "max-age=3600")])),
        get().asks(plain()),
    ];
    age_in_a_trailer: reused(ok("max-age=3600").chunked(&[("Age", "7200")]));
    trailer_of_a_known_field: vec![
        get().asks(ok("max-age=3600").with("X-A", "head").chunked(&[("X-A", "trailer")])).has("x-a", "head"),
        get().cached().has("x-a", "head"),
    ];
    length_beside_chunks: vec![
        get().asks(ok("max-age=3600").with("Content-Length", "3").chunked(&[]).body("12345")).body("12345"),
        get().cached().body("12345"),
    ];
    content_of_get: vec![
        get().content("GET /other HTTP/1.1").asks(plain().body("one")),
        get().at("/second").asks(plain().body("two")).check(|seen| assert_eq!(seen.received[0].head.target(), "/second")),
    ];
    content_of_a_cached_get: vec![
        get().asks(ok("max-age=3600")),
        get().content("GET /other HTTP/1.1").either(plain()),
        get().either(plain()).body("answer 1"),
    ];
    length_of_head: vec![super::step::head().asks(ok("max-age=3600").with("Content-Length", "5")), get().asks(ok("max-age=3600").body("12345"))];
}
