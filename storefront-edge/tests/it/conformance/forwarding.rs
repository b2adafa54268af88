
//! RFC 9110 sections 7.6 and 7.7: fields of one connection, `Via`, and that nothing else is changed. Must not: test the target.

use super::{
    answer::{ok, plain},
    step::{Seen, Step, first, get},
};

fn sends(name: &'static str, value: &str) -> Vec<Step> {
    vec![get().with(name, value).asks(plain()).origin_got(name, value)]
}

/// A field of the connection to the origin reaches neither the first client nor the next.
fn ends_here(name: &'static str, value: &str) -> Vec<Step> {
    let answer = ok("max-age=3600").with(name, value);
    let not_it = {
        let value = value.to_owned();
        move |seen: &Seen| assert_ne!(seen.head.get(name), Some(value.clone()), "{name} of the answer")
    };
    vec![get().asks(answer).check(not_it.clone()), get().cached().check(not_it)]
}

fn not_sent(name: &'static str, value: &str) -> Vec<Step> {
    let value = value.to_owned();
    vec![get().with(name, &value).asks(plain()).check(move |seen| {
        assert_ne!(seen.received[0].head.get(name), Some(value.clone()), "{name} of the request to the origin");
    })]
}

cases! {
    named_by_connection: vec![
        get().asks(ok("max-age=3600").with("Connection", "X-Hop").with("X-Hop", "a")).lacks("x-hop"),
        get().cached().lacks("x-hop"),
    ];
    named_in_a_list: vec![
        get().asks(ok("max-age=3600").with("Connection", "foo , X-HOP").with("connection", "x-other").with("X-Hop", "a").with("X-Other", "b"))
            .lacks("x-hop").lacks("x-other"),
        get().cached().lacks("x-hop").lacks("x-other"),
    ];
    not_named: first(
        ok("max-age=3600").with("Connection", "X-Hop").with("X-Hop", "a").with("X-End", "b"),
        get().cached().has("x-end", "b"),
    );
    keep_alive: ends_here("Keep-Alive", "timeout=12");
    proxy_connection: ends_here("Proxy-Connection", "x-odd");
    te: ends_here("TE", "x-odd");
    upgrade: ends_here("Upgrade", "x-odd/1");
    transfer_encoding: vec![
        get().asks(ok("max-age=3600").chunked(&[]).body("12345")),
        get().cached().lacks("transfer-encoding").has("content-length", "5"),
    ];
    named_by_a_request: vec![
        get().with("Connection", "X-Hop, keep-alive").with("X-Hop", "a").with("X-End", "b").asks(plain()).origin_lacks("x-hop").origin_got("x-end", "b"),
    ];
    keep_alive_of_a_request: not_sent("Keep-Alive", "timeout=12");
    proxy_connection_of_a_request: not_sent("Proxy-Connection", "keep-alive");
    te_of_a_request: not_sent("TE", "trailers, deflate;q=0.5");
    upgrade_of_a_request: vec![get().with("Connection", "upgrade").with("Upgrade", "x-odd/1").asks(plain()).origin_lacks("upgrade")];
    via: vec![get().asks(plain()).check(|seen| {
        let via = seen.received[0].head.get("via").unwrap_or_default();
        assert!(via.starts_with("1.1 "), "Via is {via:?}");
    })];
    via_is_appended: vec![get().with("Via", "1.0 fred").asks(plain()).check(|seen| {
        let via = seen.received[0].head.get("via").unwrap_or_default();
        assert!(via.starts_with("1.0 fred, 1.1 "), "Via is {via:?}");
    })];
    via_of_an_answer: vec![get().asks(plain().with("Via", "1.0 fred")).check(|seen| {
        let via = seen.head.get("via").unwrap_or_default();
        assert!(via.starts_with("1.0 fred"), "Via is {via:?}");
    })];
    unknown_field: sends("x-unknown", "a, b=\"c\"");
    lines: vec![get().with("X-A", "1").with("X-B", "x").with("X-A", "2").asks(plain()).origin_got("x-a", "1, 2")];
    bytes_above_ascii: sends("x-a", "caf\u{e9}");
    user_agent: sends("user-agent", "a/1.0 (b; c)");
    accept_encoding: sends("accept-encoding", "gzip;q=0.5, br");
    accept: sends("accept", "text/html, */*;q=0.1");
    host: sends("host", "shop.example:8080");
    one_host: vec![get().asks(plain()).check(|seen| assert_eq!(seen.received[0].head.all("host").len(), 1))];
    without_host: vec![get().hostless().not_passed_on().status(400)];
    fields_of_an_answer: vec![
        get().asks(plain().with("X-A", "b").with("Server", "s/1").with("Set-Cookie", "a=b").with("Set-Cookie", "c=d"))
            .has("x-a", "b").has("server", "s/1").has("set-cookie", "a=b, c=d"),
    ];
}
