
//! RFC 9111 section 4.1: which stored answer fits which request. Must not: test keys without `Vary`.

use super::{
    answer::{Answer, ok, plain},
    date::date,
    step::{Step, get},
};

fn varying(vary: &str) -> Answer {
    ok("max-age=3600").with("Vary", vary)
}

/// Asked with `stored`, then the same asked with `then` fits or does not.
fn with(vary: &str, stored: &[(&str, &str)], then: &[(&str, &str)]) -> (Step, Step) {
    let asking = |fields: &[(&str, &str)]| fields.iter().fold(get(), |step, (name, value)| step.with(name, value));
    (asking(stored).asks(varying(vary)), asking(then))
}

fn fits(vary: &str, stored: &[(&str, &str)], then: &[(&str, &str)]) -> Vec<Step> {
    let (stored, then) = with(vary, stored, then);
    vec![stored, then.cached()]
}

fn fits_not(vary: &str, stored: &[(&str, &str)], then: &[(&str, &str)]) -> Vec<Step> {
    let (stored, then) = with(vary, stored, then);
    vec![stored, then.asks(plain())]
}

cases! {
    same_value: fits("Foo", &[("Foo", "1")], &[("Foo", "1")]);
    another_value: fits_not("Foo", &[("Foo", "1")], &[("Foo", "2")]);
    longer_value: fits_not("Foo", &[("Foo", "1")], &[("Foo", "11")]);
    stored_without: fits_not("Foo", &[], &[("Foo", "1")]);
    asked_without: fits_not("Foo", &[("Foo", "1")], &[]);
    empty_is_not_absent: fits_not("Foo", &[("Foo", "")], &[]);
    both_without: fits("Foo", &[], &[]);
    another_field: fits("Foo", &[("Foo", "1"), ("Bar", "1")], &[("Foo", "1"), ("Bar", "2")]);
    first_of_two_differs: fits_not("Foo, Bar", &[("Foo", "1"), ("Bar", "1")], &[("Foo", "2"), ("Bar", "1")]);
    second_of_two_differs: fits_not("Foo, Bar", &[("Foo", "1"), ("Bar", "1")], &[("Foo", "1"), ("Bar", "2")]);
    two_same: fits("Foo, Bar", &[("Foo", "1"), ("Bar", "1")], &[("Bar", "1"), ("Foo", "1")]);
    values_exchanged: fits_not("Foo, Bar", &[("Foo", "1"), ("Bar", "2")], &[("Foo", "2"), ("Bar", "1")]);
    text_moves_to_the_other_field: fits_not("Foo, Bar", &[("Foo", "1")], &[("Bar", "1")]);
    third_differs: fits_not(
        "Foo, Bar, Baz",
        &[("Foo", "1"), ("Bar", "1"), ("Baz", "1")],
        &[("Foo", "1"), ("Bar", "1"), ("Baz", "2")],
    );
    two_lines: vec![
        get().with("Foo", "1").with("Bar", "1").asks(varying("Foo").with("Vary", "Bar")),
        get().with("Foo", "1").with("Bar", "2").asks(plain()),
    ];
    empty_members: fits_not(", Foo,,", &[("Foo", "1")], &[("Foo", "2")]);
    empty: fits("", &[("Foo", "1")], &[("Foo", "2")]);
    name_in_upper_case: fits_not("FOO", &[("foo", "1")], &[("foo", "2")]);
    name_in_lower_case: fits("foo", &[("FOO", "1")], &[("Foo", "1")]);
    star: fits_not("*", &[("Foo", "1")], &[("Foo", "1")]);
    star_behind: fits_not("Foo, *", &[("Foo", "1")], &[("Foo", "1")]);
    star_before: fits_not("*, Foo", &[("Foo", "1")], &[("Foo", "1")]);
    star_between: fits_not(", *, ", &[], &[]);
    star_in_the_second_line: vec![get().asks(varying("Foo").with("Vary", "*")), get().asks(plain())];
    case_of_values: fits_not("Foo", &[("Foo", "a")], &[("Foo", "A")]);
    lines_of_a_request: fits("Foo", &[("Foo", "1"), ("Foo", "2")], &[("Foo", "1, 2")]);
    white_space: fits("Foo", &[("Foo", "1, 2")], &[("Foo", "1 ,  2")]);
    order_of_an_unknown_field: fits_not("Foo", &[("Foo", "1, 2")], &[("Foo", "2, 1")]);
    language_white_space: fits("Accept-Language", &[("Accept-Language", "en, de")], &[("Accept-Language", "en,de")]);
    language_case: fits("Accept-Language", &[("Accept-Language", "en-US")], &[("Accept-Language", "EN-us")]);
    language_order: fits(
        "Accept-Language",
        &[("Accept-Language", "en;q=0.5, de;q=1.0")],
        &[("Accept-Language", "de;q=1.0, en;q=0.5")],
    );
    another_language: fits_not("Accept-Language", &[("Accept-Language", "en")], &[("Accept-Language", "de")]);
    other_weights: fits_not(
        "Accept-Language",
        &[("Accept-Language", "en;q=0.5, de")],
        &[("Accept-Language", "en, de;q=0.5")],
    );
    encoding: fits("Accept-Encoding", &[("Accept-Encoding", "gzip, br")], &[("Accept-Encoding", "GZIP,br")]);
    another_encoding: fits_not("Accept-Encoding", &[("Accept-Encoding", "gzip")], &[("Accept-Encoding", "br")]);
    cookie: fits_not("Cookie", &[("Cookie", "a=1")], &[("Cookie", "a=2")]);
    two_variants: vec![
        get().with("Foo", "1").asks(varying("Foo").body("one")),
        get().with("Foo", "2").asks(varying("Foo").body("two")),
        get().with("Foo", "1").cached().body("one"),
        get().with("Foo", "2").cached().body("two"),
        get().asks(varying("Foo").body("none")),
        get().cached().body("none"),
        get().with("Foo", "2").cached().body("two"),
    ];
    variants_of_different_fields: vec![
        get().with("Foo", "1").asks(varying("Foo").body("one")),
        get().with("Foo", "2").with("Bar", "1").asks(varying("Foo, Bar").body("two")),
        get().with("Foo", "1").with("Bar", "9").cached().body("one"),
        get().with("Foo", "2").with("Bar", "1").cached().body("two"),
        get().with("Foo", "2").with("Bar", "2").asks(plain()),
    ];
    most_recent: vec![
        get().with("Foo", "1").asks(varying("Foo").with("Date", date(-100)).body("one")),
        get().with("Foo", "1").with("Cache-Control", "no-cache").asks(varying("Bar").with("Date", date(-50)).body("two")),
        get().with("Foo", "1").cached().body("two"),
    ];
    stale_variant: vec![
        get().with("Foo", "1").asks(ok("max-age=10").with("Age", "20").with("Vary", "Foo").with("ETag", "\"1\"")),
        get().with("Foo", "2").asks(varying("Foo")),
        get().with("Foo", "1").asks(plain()),
    ];
    is_sent: vec![get().asks(varying("Foo, Bar")), get().cached().has("vary", "Foo, Bar")];
    head: vec![
        get().with("Foo", "1").asks(varying("Foo")),
        super::step::head().with("Foo", "1").cached(),
        super::step::head().with("Foo", "2").asks(plain()),
    ];
}
