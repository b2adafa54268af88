
//! RFC 9111 section 5.2: what is a directive, and what is not. Must not: test what directives do.

use super::{
    answer::{Answer, ok, plain},
    step::{not_reused, reused},
};

fn lines(lines: &[&str]) -> Answer {
    lines.iter().fold(plain(), |answer, line| answer.with("Cache-Control", line))
}

cases! {
    max_age: reused(ok("max-age=3600"));
    max_age_0: not_reused(ok("max-age=0"));
    upper_case: reused(ok("MAX-AGE=3600"));
    mixed_case: reused(ok("mAx-AgE=3600"));
    no_store_in_upper_case: not_reused(ok("NO-STORE, max-age=3600"));
    no_cache_in_mixed_case: not_reused(ok("No-Cache, max-age=3600"));
    private_in_upper_case: not_reused(ok("PRIVATE, max-age=3600"));
    field_name_in_mixed_case: reused(plain().with("cAcHe-cOnTrOl", "max-age=3600"));
    quoted_number: reused(ok("max-age=\"3600\""));
    quoted_number_with_an_escape: reused(ok("max-age=\"36\\00\""));
    quoted_zero: not_reused(ok("max-age=\"0\""));
    single_quotes: not_reused(ok("max-age='3600'"));
    space_before_equals: not_reused(ok("max-age =3600"));
    space_behind_equals: not_reused(ok("max-age= 3600"));
    spaces_around_equals: not_reused(ok("max-age = 3600"));
    colon_in_place_of_equals: not_reused(ok("max-age:3600"));
    no_argument: not_reused(ok("max-age"));
    empty_argument: not_reused(ok("max-age="));
    empty_quoted_argument: not_reused(ok("max-age=\"\""));
    unterminated_quotes: not_reused(ok("max-age=\"3600"));
    leading_zeros: reused(ok("max-age=0003600"));
    negative: not_reused(ok("max-age=-3600"));
    plus: not_reused(ok("max-age=+3600"));
    float: not_reused(ok("max-age=3600.0"));
    exponent: not_reused(ok("max-age=36e2"));
    hexadecimal: not_reused(ok("max-age=0xe10"));
    letter_behind: not_reused(ok("max-age=3600a"));
    letter_before: not_reused(ok("max-age=a3600"));
    more_behind_a_space: not_reused(ok("max-age=3600 foo"));
    parameter_behind: not_reused(ok("max-age=3600;foo=bar"));
    above_31_bits: reused(ok("max-age=2147483648"));
    above_64_bits: reused(ok("max-age=99999999999999999999999"));
    s_maxage_above_64_bits: reused(ok("s-maxage=99999999999999999999999"));
    unknown_directive: reused(ok("foo, max-age=3600"));
    unknown_directive_with_an_argument: reused(ok("foo=bar, max-age=3600"));
    argument_like_a_directive: reused(ok("foo=no-store, max-age=3600"));
    directive_in_quotes: reused(ok("foo=\"no-store\", max-age=3600"));
    commas_in_quotes: reused(ok("foo=\"bar, no-store, private\", max-age=3600"));
    escaped_quote: reused(ok("foo=\"bar\\\", no-store, baz\", max-age=3600"));
    lifetime_in_quotes: not_reused(ok("foo=\"max-age=3600\""));
    lifetime_in_quotes_before_the_real_one: reused(ok("foo=\"max-age=0\", max-age=3600"));
    longer_name_before: reused(ok("x-no-store, max-age=3600"));
    longer_name_behind: reused(ok("no-store-ever, max-age=3600"));
    longer_name_of_max_age: not_reused(ok("max-age-foo=3600"));
    empty_members: reused(ok(", ,max-age=3600,, ,"));
    without_spaces: not_reused(ok("public,no-store,max-age=3600"));
    tabs: reused(ok("public\t,\tmax-age=3600"));
    two_lines: reused(lines(&["public", "max-age=3600"]));
    no_store_in_the_second_line: not_reused(lines(&["max-age=3600", "no-store"]));
    empty_line: reused(lines(&["", "max-age=3600"]));
    two_lifetimes: not_reused(ok("max-age=1800, max-age=3600").with("Age", "2400"));
    two_lifetimes_in_lines: not_reused(lines(&["max-age=1800", "max-age=3600"]).with("Age", "2400"));
    two_shared_lifetimes: not_reused(ok("s-maxage=1800, s-maxage=3600").with("Age", "2400"));
    invalid_before_valid: not_reused(ok("max-age=abc, max-age=3600"));
    restrictive_first: not_reused(ok("no-store, max-age=3600, public"));
    restrictive_last: not_reused(ok("public, max-age=3600, no-store"));
    no_store_beside_bytes_above_ascii: not_reused(ok("no-store, foo=\"caf\u{e9}\", max-age=3600"));
    lifetime_beside_bytes_above_ascii: reused(ok("foo=\"caf\u{e9}\", max-age=3600"));
    no_store_behind_open_quotes: not_reused(ok("max-age=3600, foo=\"bar, no-store"));
    no_store_with_an_argument: not_reused(ok("no-store=foo, max-age=3600"));
}
