
//! RFC 9111 section 4: many requests for one answer at once. Must not: use steps, which come one after another.

use std::time::Duration;

use futures_util::future::join_all;

use super::{
    answer::{Answer, Framing, ok, status},
    play::{Stage, exchange},
    step::Seen,
};

const AT_ONCE: usize = 50;

/// Long enough that all requests are there before the answer is.
fn slow(answer: Answer) -> Answer {
    answer.after(Duration::from_millis(300))
}

/// So many requests at once with a field each, and how many of them reached the origin.
async fn at_once(answer: Answer, field: impl Fn(usize) -> String) -> (Vec<Seen>, usize) {
    let stage = Stage::open().await;
    stage.origin.will_say(vec![answer; AT_ONCE]);
    let address = stage.address;
    let asking = (0..AT_ONCE).map(|nth| {
        let bytes = format!("GET /t HTTP/1.1\r\nHost: a\r\n{}\r\n", field(nth));
        async move { exchange(address, bytes.as_bytes(), "GET").await }
    });
    let seen = join_all(asking).await;
    (seen, stage.origin.received().len())
}

fn bodies(seen: &[Seen]) -> usize {
    seen.iter().map(|seen| &seen.content.bytes).collect::<std::collections::BTreeSet<_>>().len()
}

checks! {
    one_request: {
        let (seen, asked) = at_once(slow(ok("max-age=3600")), |_| String::new()).await;
        assert_eq!((bodies(&seen), asked), (1, 1));
    };
    collapsed_is_told: {
        let (seen, _) = at_once(slow(ok("max-age=3600")), |_| String::new()).await;
        let collapsed = |seen: &&Seen| seen.head.get("cache-status").is_some_and(|status| status.contains("collapsed"));
        assert!(seen.iter().filter(collapsed).count() > 0);
    };
    no_store_is_not_shared: {
        let (seen, asked) = at_once(slow(ok("no-store")), |_| String::new()).await;
        assert_eq!((bodies(&seen), asked), (AT_ONCE, AT_ONCE));
    };
    private_is_not_shared: {
        let (seen, asked) = at_once(slow(ok("private, max-age=3600")), |_| String::new()).await;
        assert_eq!((bodies(&seen), asked), (AT_ONCE, AT_ONCE));
    };
    credentials_are_not_shared: {
        let (seen, asked) = at_once(slow(ok("max-age=3600")), |nth| format!("Authorization: Basic {nth}\r\n")).await;
        assert_eq!((bodies(&seen), asked), (AT_ONCE, AT_ONCE));
    };
    variants_are_not_shared: {
        let (seen, asked) = at_once(slow(ok("max-age=3600").with("Vary", "Foo")), |nth| format!("Foo: {}\r\n", nth % 2)).await;
        let bodies_of = |rest: usize| {
            let some: Vec<Seen> = seen.iter().enumerate().filter(|(nth, _)| nth % 2 == rest).map(|(_, seen)| seen.clone()).collect();
            some.into_iter().map(|seen| seen.content.bytes).collect::<std::collections::BTreeSet<_>>()
        };
        assert!(bodies_of(0).is_disjoint(&bodies_of(1)), "a variant reached the wrong request");
        assert!(asked >= 2);
    };
    no_cache_is_validated_for_each: {
        let (seen, asked) = at_once(slow(ok("no-cache")), |_| String::new()).await;
        assert_eq!((bodies(&seen), asked), (AT_ONCE, AT_ONCE));
    };
    failures_end_the_wait: {
        let (seen, _) = at_once(slow(ok("max-age=3600").framed(Framing::Nothing)), |_| String::new()).await;
        assert!(seen.iter().all(|seen| seen.head.status() >= 500));
    };
    errors_are_not_shared: {
        let (seen, asked) = at_once(slow(status(503)), |_| String::new()).await;
        assert!(seen.iter().all(|seen| seen.head.status() == 503));
        assert_eq!((bodies(&seen), asked), (AT_ONCE, AT_ONCE));
    };
}
