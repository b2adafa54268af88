
//! RFC 9111 section 2 and RFC 9110 sections 4 and 7: what makes two requests requests for the same. Must not: test `Vary`.

use super::{
    answer::{ok, plain, status},
    step::{Seen, Step, get},
};

/// Two targets that are not each other's answer.
fn distinct(one: &str, two: &str) -> Vec<Step> {
    vec![
        get().at(one).asks(ok("max-age=3600").body("one")),
        get().at(two).asks(ok("max-age=3600").body("two")),
        get().at(one).cached().body("one"),
        get().at(two).cached().body("two"),
    ]
}

fn origin_target(wanted: &str) -> impl Fn(&Seen) + Send + 'static + use<> {
    let wanted = wanted.to_owned();
    move |seen| assert_eq!(seen.received.last().map(|received| received.head.target().to_owned()), Some(wanted.clone()))
}

fn passed_on(target: &str) -> Vec<Step> {
    vec![get().at(target).asks(plain()).check(origin_target(target))]
}

cases! {
    path: distinct("/a", "/b");
    query: distinct("/t?a=1", "/t?a=2");
    query_and_none: distinct("/t", "/t?a=1");
    empty_query: distinct("/t", "/t?");
    order_of_the_query: distinct("/t?a=1&b=2", "/t?b=2&a=1");
    case_of_the_path: distinct("/t", "/T");
    case_of_the_query: distinct("/t?a", "/t?A");
    slash_at_the_end: distinct("/t", "/t/");
    encoded_slash: distinct("/a/b", "/a%2Fb");
    encoded_question_mark: distinct("/a?b", "/a%3Fb");
    double_slash: distinct("/a/b", "/a//b");
    semicolon: distinct("/a", "/a;b=c");
    plus_sign: distinct("/t?a=b+c", "/t?a=b%20c");
    host: vec![
        get().with("Host", "a.example").asks(ok("max-age=3600").body("one")),
        get().with("Host", "b.example").asks(ok("max-age=3600").body("two")),
        get().with("Host", "a.example").cached().body("one"),
    ];
    case_of_the_host: vec![
        get().with("Host", "a.example").asks(ok("max-age=3600")),
        get().with("Host", "A.Example").cached(),
    ];
    absolute_form: vec![
        get().with("Host", "a.example").asks(ok("max-age=3600").body("one")),
        get().at("http://a.example/t").with("Host", "a.example").cached().body("one"),
    ];
    host_of_the_absolute_form: vec![
        get().with("Host", "b.example").asks(ok("max-age=3600").body("wrong")),
        get().at("http://a.example/t").with("Host", "b.example").asks(ok("max-age=3600").body("right")).origin_got("host", "a.example"),
        get().with("Host", "a.example").cached().body("right"),
    ];
    connection_does_not_name_the_host: vec![
        get().with("Host", "a.example").with("Connection", "Host").asks(ok("max-age=3600")).origin_got("host", "a.example"),
    ];
    connection_takes_out_of_vary: vec![
        get().with("X-A", "1").with("Connection", "X-A").asks(ok("max-age=3600").with("Vary", "X-A").body("none")).origin_lacks("x-a"),
        get().with("X-A", "1").asks(ok("max-age=3600").with("Vary", "X-A").body("one")),
        get().cached().body("none"),
    ];
    range_of_one_client: vec![
        get().with("Range", "bytes=99-").asks(status(416).with("Cache-Control", "max-age=3600")).status(416),
        get().asks(ok("max-age=3600").body("all")),
    ];
    condition_of_one_client: vec![
        get().with("If-Match", "\"x\"").asks(status(412).with("Cache-Control", "max-age=3600")).status(412),
        get().asks(ok("max-age=3600").body("all")),
    ];
    escapes_reach_the_origin: passed_on("/a%2fb%2Fc/%7Ed?x=%20&y=+&z=%c3%A9");
    dots_reach_the_origin: passed_on("/a/./b/../c//d/;e=f?g=/../h");
    odd_characters_reach_the_origin: passed_on("/a!$&'()*+,;=:@b?c=d?e/f");
    long_target: {
        let target = format!("/{}", "a".repeat(7990));
        vec![get().at(&target).asks(ok("max-age=3600")), get().at(&target).cached()]
    };
    many_targets: (0..50)
        .flat_map(|nth| [get().at(&format!("/{nth}")).asks(ok("max-age=3600").body(format!("body {nth}")))])
        .chain((0..50).map(|nth| get().at(&format!("/{nth}")).cached().body(format!("body {nth}"))))
        .collect::<Vec<_>>();
}
