
//! RFC 9111 sections 4.2.3 and 5.1: how old an answer is, from what it says and what the clock saw.

use std::time::Duration;

use super::{
    answer::{Answer, ok, plain, status},
    date::{date, date_in_zone},
    step::{Seen, first, get, head, not_reused, request, reused},
};

fn aged(age: &str) -> Answer {
    ok("max-age=3600").with("Age", age)
}

fn has_one_date(seen: &Seen) {
    let dates = seen.head.all("date");
    assert!(matches!(dates[..], [date] if date.ends_with(" GMT") && date.len() == 29), "Date of the answer is {dates:?}");
}

cases! {
    counts: not_reused(aged("7200"));
    below_the_lifetime_is_fresh: reused(aged("3500"));
    equal_to_the_lifetime_is_stale: not_reused(aged("3600"));
    zero_is_fresh: reused(aged("0"));
    leading_zeros_are_digits: not_reused(aged("0007200"));
    without_digits_is_ignored: reused(aged("abc"));
    negative_is_ignored: reused(aged("-7200"));
    with_a_plus_is_ignored: reused(aged("+7200"));
    float_is_ignored: reused(aged("7200.0"));
    with_a_letter_before_is_ignored: reused(aged("a7200"));
    with_a_letter_behind_is_ignored: reused(aged("7200a"));
    hexadecimal_is_ignored: reused(aged("0x1c20"));
    with_a_parameter_is_ignored: reused(aged("7200;foo=bar"));
    two_numbers_without_comma_are_ignored: reused(aged("7200 7200"));
    quoted_is_ignored: reused(aged("\"7200\""));
    empty_is_ignored: reused(aged(""));
    first_of_a_list_counts_when_old: not_reused(aged("7200, 0"));
    first_of_a_list_counts_when_young: reused(aged("0, 7200"));
    first_of_two_lines_counts_when_old: not_reused(aged("7200").with("Age", "0"));
    first_of_two_lines_counts_when_young: reused(aged("0").with("Age", "7200"));
    first_of_a_list_that_is_invalid_is_ignored: reused(aged("abc, 7200"));
    above_31_bits_is_old: not_reused(aged("2147483649"));
    above_64_bits_is_old: not_reused(aged("99999999999999999999999"));
    two_lines_become_one: first(aged("10").with("Age", "20"), get().cached().age(10..=20));
    is_sent_with_what_is_stored: first(ok("max-age=3600"), get().cached().age(0..=10));
    begins_with_the_age_received: first(aged("100"), get().cached().age(100..=110));
    grows_while_stored: vec![
        get().asks(aged("100")),
        get().after(Duration::from_millis(1100)).cached().age(101..=110),
    ];
    replaces_an_invalid_one: first(aged("abc"), get().cached().age(0..=10));
    includes_the_delay_of_the_answer: first(
        ok("max-age=3600").with("Age", "100").after(Duration::from_millis(1100)),
        get().cached().age(101..=110),
    );
    delay_alone_makes_stale: not_reused(ok("max-age=1").after(Duration::from_millis(2100)));
    old_date_counts: not_reused(ok("max-age=3600").with("Date", date(-7200)));
    old_date_is_sent_as_age: first(ok("max-age=3600").with("Date", date(-100)), get().cached().age(99..=110));
    larger_of_age_and_date_counts: first(
        ok("max-age=3600").with("Date", date(-100)).with("Age", "500"),
        get().cached().age(500..=510),
    );
    larger_of_date_and_age_counts: first(
        ok("max-age=3600").with("Date", date(-500)).with("Age", "100"),
        get().cached().age(499..=510),
    );
    date_of_tomorrow_is_no_negative_age: first(ok("max-age=3600").with("Date", date(86_400)), get().cached().age(0..=10));
    missing_date_is_the_time_of_receipt: first(ok("max-age=3600").undated(), get().cached().age(0..=10));
    missing_date_is_added_when_forwarded: vec![get().asks(plain().undated()).check(has_one_date)];
    missing_date_is_added_when_stored: vec![
        get().asks(ok("max-age=3600").undated()),
        get().cached().check(has_one_date),
    ];
    date_is_kept: {
        let day = date(-100);
        first(ok("max-age=3600").with("Date", &day), get().cached().has("date", day))
    };
    invalid_date_is_the_time_of_receipt: reused(ok("max-age=3600").with("Date", "foo"));
    date_in_another_zone_does_not_break: reused(ok("max-age=3600").with("Date", date_in_zone(-60, "PST")));
    date_in_lower_case_counts: not_reused(ok("max-age=3600").with("Date", date(-7200).to_lowercase()));
    first_of_two_dates_counts: not_reused(ok("max-age=3600").with("Date", date(-7200)).with("Date", date(0)));
    of_an_answer_to_head: vec![get().asks(aged("100")), head().cached().age(100..=110)];
    is_replaced_by_a_304: vec![
        get().asks(aged("7200").with("ETag", "\"a\"")),
        get().confirmed_by(status(304).with("ETag", "\"a\"").with("Age", "100")),
        get().cached().age(100..=110),
    ];
    begins_again_with_a_304: vec![
        get().asks(aged("7200").with("ETag", "\"a\"")),
        get().confirmed_by(status(304).with("ETag", "\"a\"")),
        get().cached().age(0..=10),
    ];
    of_a_304_from_another_cache_is_sent: vec![
        get().asks(aged("7200").with("ETag", "\"a\"")),
        get().confirmed_by(status(304).with("ETag", "\"a\"").with("Age", "100")).age(100..=110),
    ];
    is_not_sent_when_the_origin_validated: vec![
        get().asks(aged("7200").with("ETag", "\"a\"")),
        get().confirmed_by(status(304).with("ETag", "\"a\"")).lacks("age"),
    ];
    of_a_request_means_nothing: vec![
        get().asks(ok("max-age=3600")),
        get().with("Age", "7200").cached().age(0..=10),
    ];
    is_not_made_up: vec![request("POST").content("x").asks(plain()).lacks("age")];
}
