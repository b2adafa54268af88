
//! RFC 9110 section 15.2 and RFC 8297: answers before the answer. Must not: test what follows them.

use super::{
    answer::{ok, plain},
    step::{Seen, first, get, request},
};

const LINK: (&str, &str) = ("Link", "</shop.css>; rel=preload; as=style");

fn interim(statuses: &'static [u16]) -> impl Fn(&Seen) + Send {
    move |seen| {
        let got: Vec<u16> = seen.interim.iter().map(super::wire::Head::status).filter(|status| *status != 100).collect();
        assert_eq!(got, statuses, "interim answers");
    }
}

cases! {
    early_hints: vec![get().asks(plain().interim(103, &[LINK])).check(interim(&[103])).check(|seen| {
        assert_eq!(seen.interim[0].get("link").as_deref(), Some(LINK.1));
    })];
    processing: vec![get().asks(plain().interim(102, &[])).check(interim(&[102]))];
    unknown: vec![get().asks(plain().interim(150, &[("X-A", "b")])).check(interim(&[150]))];
    several: vec![get().asks(plain().interim(102, &[]).interim(103, &[LINK]).interim(103, &[LINK])).check(interim(&[102, 103, 103]))];
    of_a_write: vec![request("POST").content("x").asks(plain().interim(103, &[LINK])).check(interim(&[103]))];
    of_what_is_not_stored: vec![get().asks(ok("no-store").interim(103, &[LINK])).check(interim(&[103]))];
    not_stored: first(ok("max-age=3600").interim(103, &[LINK, ("Cache-Control", "no-store")]), get().cached().status(200).check(interim(&[])));
    fields_are_not_merged: vec![
        get().asks(ok("max-age=3600").interim(103, &[LINK, ("X-Early", "a")])).lacks("link").lacks("x-early"),
        get().cached().lacks("link").lacks("x-early"),
    ];
    lifetime_in_103: vec![
        get().asks(plain().interim(103, &[("Cache-Control", "max-age=3600")])),
        get().asks(plain()),
    ];
    expect_continue: vec![
        request("POST").with("Expect", "100-continue").content("some content").asks(plain()).check(|seen| {
            assert_eq!(seen.received[0].content.bytes, b"some content");
        }),
    ];
}
