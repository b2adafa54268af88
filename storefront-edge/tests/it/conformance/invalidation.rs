
//! RFC 9111 section 4.4: what writes make of stored answers. Must not: test how writes reach the origin.

use super::{
    answer::{Answer, ok, plain, status},
    step::{Step, get, request},
};

const HOST: &str = "shop.example";

fn read(target: &str) -> Step {
    get().at(target).with("Host", HOST)
}

fn write(method: &str) -> Step {
    request(method).with("Host", HOST).content("x")
}

fn fresh() -> Answer {
    ok("max-age=3600")
}

/// `/t` and `/other` are stored; then `/t` is written.
fn around(method: &str, answer: Answer) -> Vec<Step> {
    vec![read("/t").asks(fresh()), read("/other").asks(fresh()), write(method).asks(answer)]
}

fn then(mut steps: Vec<Step>, step: Step) -> Vec<Step> {
    steps.push(step);
    steps
}

fn removed(method: &str, code: u16) -> Vec<Step> {
    then(around(method, status(code)), read("/t").asks(plain()))
}

fn kept(method: &str, code: u16) -> Vec<Step> {
    then(around(method, status(code)), read("/t").cached())
}

fn other_removed(answer: Answer) -> Vec<Step> {
    then(around("POST", answer), read("/other").asks(plain()))
}

fn other_kept(answer: Answer) -> Vec<Step> {
    then(around("POST", answer), read("/other").cached())
}

cases! {
    post: removed("POST", 200);
    put: removed("PUT", 200);
    delete: removed("DELETE", 200);
    patch: removed("PATCH", 200);
    unknown_method: removed("FOO", 200);
    get_in_lower_case: removed("get", 200);
    on_201: removed("POST", 201);
    on_204: removed("DELETE", 204);
    on_299: removed("PUT", 299);
    on_302: removed("POST", 302);
    on_303: removed("POST", 303);
    on_399: removed("PUT", 399);
    not_on_400: kept("POST", 400);
    not_on_404: kept("DELETE", 404);
    not_on_500: kept("PUT", 500);
    not_on_503: kept("FOO", 503);
    not_by_options: then(vec![read("/t").asks(fresh()), request("OPTIONS").with("Host", HOST).asks(plain())], read("/t").cached());
    not_by_trace: then(vec![read("/t").asks(fresh()), request("TRACE").with("Host", HOST).asks(plain())], read("/t").cached());
    not_another_target: other_kept(plain());
    not_another_query: vec![
        read("/t?a").asks(fresh()),
        write("POST").asks(plain()),
        read("/t?a").cached(),
    ];
    not_another_host: vec![
        read("/t").asks(fresh()),
        request("POST").with("Host", "other.example").content("x").asks(plain()),
        read("/t").cached(),
    ];
    location: other_removed(status(201).with("Location", "/other"));
    location_relative_to_the_target: other_removed(status(201).with("Location", "other"));
    location_absolute: other_removed(status(302).with("Location", "http://shop.example/other"));
    content_location: other_removed(plain().with("Content-Location", "/other"));
    content_location_absolute: other_removed(plain().with("Content-Location", "http://shop.example/other"));
    location_at_another_host: vec![
        read("/other").asks(fresh()),
        get().at("/other").with("Host", "b.example").asks(fresh().body("b")),
        write("POST").asks(status(201).with("Location", "http://b.example/other")),
        get().at("/other").with("Host", "b.example").cached().body("b"),
        read("/other").cached(),
    ];
    content_location_at_another_host: vec![
        get().at("/other").with("Host", "b.example").asks(fresh().body("b")),
        write("POST").asks(plain().with("Content-Location", "//b.example/other")),
        get().at("/other").with("Host", "b.example").cached().body("b"),
    ];
    location_at_another_port: other_kept(status(201).with("Location", "http://shop.example:8081/other"));
    location_of_another_scheme: other_kept(status(201).with("Location", "https://shop.example/other"));
    location_that_is_no_uri: other_kept(status(201).with("Location", "http://[/other"));
    location_with_an_error: other_kept(status(400).with("Location", "/other"));
    content_location_with_an_error: other_kept(status(500).with("Content-Location", "/other"));
    content_location_of_get: vec![
        read("/other").asks(fresh()),
        read("/t").asks(plain().with("Content-Location", "/other")),
        read("/other").cached(),
    ];
    all_variants: vec![
        read("/t").with("Foo", "1").asks(fresh().with("Vary", "Foo")),
        read("/t").with("Foo", "2").asks(fresh().with("Vary", "Foo")),
        write("POST").asks(plain()),
        read("/t").with("Foo", "1").asks(plain()),
        read("/t").with("Foo", "2").asks(plain()),
    ];
    not_used_in_place_of_an_error: vec![
        read("/t").asks(ok("max-age=3600, stale-if-error=600")),
        write("DELETE").asks(status(204)),
        read("/t").fails_with(status(503)),
    ];
    not_used_while_revalidating: vec![
        read("/t").asks(ok("max-age=3600, stale-while-revalidate=600")),
        write("DELETE").asks(status(204)),
        read("/t").asks(plain()),
    ];
    not_for_head: vec![
        read("/t").asks(fresh()),
        write("PUT").asks(status(204)),
        request("HEAD").with("Host", HOST).asks(plain()),
    ];
    written_through: vec![
        read("/t").asks(fresh()),
        write("POST").asks(plain().body("one")),
        write("POST").asks(plain().body("two")),
    ];
}
