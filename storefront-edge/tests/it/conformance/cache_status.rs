
//! RFC 9211: the cache says what it did, as a structured field (RFC 9651). Must not: test what it did.

use sfv::{BareItem, List, ListEntry, Parser};

use super::{
    answer::{closes, ok, plain, status},
    step::{Seen, Step, first, get, request},
};

/// The parameters of the last member, which is this cache's own.
fn own(seen: &Seen) -> Vec<(String, String)> {
    let field = seen.head.get("cache-status").expect("no Cache-Status");
    let list: List = Parser::new(&field).parse().unwrap_or_else(|error| panic!("{field}: {error}"));
    let Some(ListEntry::Item(item)) = list.last() else { panic!("{field} has no item") };
    assert!(matches!(item.bare_item, BareItem::Token(_) | BareItem::String(_)), "{field} does not name a cache");
    let text = |value: &BareItem| match value {
        BareItem::Boolean(true) => "true".to_owned(),
        BareItem::Integer(number) => i64::from(*number).to_string(),
        BareItem::Token(token) => token.as_str().to_owned(),
        BareItem::String(string) => format!("{:?}", string.as_str()),
        other => panic!("{other:?} in {field}"),
    };
    item.params.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

fn value(seen: &Seen, name: &str) -> Option<String> {
    own(seen).into_iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// The parameter has this value, or is not there.
fn says(name: &'static str, wanted: Option<&'static str>) -> impl Fn(&Seen) + Send {
    move |seen| assert_eq!(value(seen, name).as_deref(), wanted, "{name} of {:?}", own(seen))
}

fn ttl(within: std::ops::RangeInclusive<i64>) -> impl Fn(&Seen) + Send {
    move |seen| {
        let ttl = value(seen, "ttl").and_then(|ttl| ttl.parse().ok());
        assert!(ttl.is_some_and(|ttl| within.contains(&ttl)), "ttl of {:?} is not within {within:?}", own(seen));
    }
}

fn forwarded(step: Step, why: &'static str) -> Step {
    step.check(says("fwd", Some(why))).check(says("hit", None))
}

cases! {
    hit: first(ok("max-age=3600"), get().cached().check(says("hit", Some("true"))).check(says("fwd", None)));
    ttl_of_a_hit: first(ok("max-age=3600").with("Age", "600"), get().cached().check(ttl(2980..=3000)));
    uri_miss: vec![forwarded(get().asks(plain()), "uri-miss")];
    vary_miss: vec![
        get().with("Foo", "1").asks(ok("max-age=3600").with("Vary", "Foo")),
        forwarded(get().with("Foo", "2").asks(plain()), "vary-miss"),
    ];
    stale: first(ok("max-age=10").with("Age", "20"), forwarded(get().asks(plain()), "stale"));
    by_request: first(ok("max-age=3600"), forwarded(get().with("Cache-Control", "no-cache").asks(plain()), "request"));
    by_method: vec![forwarded(request("POST").content("x").asks(plain()), "method")];
    fwd_status: vec![get().asks(status(404)).check(says("fwd-status", Some("404")))];
    fwd_status_304: first(
        ok("max-age=10").with("Age", "20").with("ETag", "\"a\""),
        get().confirmed_by(status(304).with("ETag", "\"a\"")).check(says("fwd", Some("stale"))).check(says("fwd-status", Some("304"))),
    );
    stored: vec![get().asks(ok("max-age=3600")).check(says("stored", Some("true")))];
    not_stored: vec![get().asks(ok("no-store")).check(says("stored", None))];
    not_collapsed: vec![get().asks(ok("max-age=3600")).check(says("collapsed", None))];
    over_a_failure: first(
        ok("max-age=10, stale-if-error=600").with("Age", "20"),
        get().cached_over(closes()).check(|seen| {
            assert!(value(seen, "hit").is_some() != value(seen, "fwd").is_some(), "{:?}", own(seen));
        }),
    );
    ttl_of_a_stale_answer: first(
        ok("max-age=10, stale-if-error=600").with("Age", "20"),
        get().cached_over(closes()).check(ttl(-40..=-10)),
    );
    behind: vec![get().asks(plain().with("Cache-Status", "Origin-Cache; hit; ttl=5")).check(|seen| {
        let field = seen.head.get("cache-status").unwrap();
        assert!(field.starts_with("Origin-Cache; hit; ttl=5, "), "{field}");
        assert_eq!(own(seen).iter().filter(|(name, _)| name == "fwd").count(), 1);
    })];
    once: vec![get().asks(ok("max-age=3600")), get().cached(), get().cached().check(|seen| {
        let field = seen.head.get("cache-status").unwrap();
        let list: List = Parser::new(&field).parse().unwrap();
        assert_eq!(list.len(), 1, "{field}");
    })];
    of_a_304: first(
        ok("max-age=3600").with("ETag", "\"a\""),
        get().with("If-None-Match", "\"a\"").cached().status(304).check(says("hit", Some("true"))),
    );
    of_a_206: first(
        ok("max-age=3600").body("0123456789"),
        get().with("Range", "bytes=0-1").cached().status(206).check(says("hit", Some("true"))),
    );
}
