
//! RFC 9111 section 5.3 and RFC 9110 section 5.6.7: lifetimes from `Expires`, and what is a date. Must not: combine it with directives.

use super::{
    answer::{Answer, plain},
    date::{date, date_asctime, date_in_zone, date_rfc850},
    step::{not_reused, reused},
};

const DAY: i64 = 86_400;
const YEAR: i64 = 365 * DAY;

fn expires(value: impl AsRef<str>) -> Answer {
    plain().with("Expires", value)
}

cases! {
    in_the_future_is_fresh: reused(expires(date(3600)));
    in_the_past_is_stale: not_reused(expires(date(-3600)));
    equal_to_date_is_stale: {
        let now = date(0);
        not_reused(expires(&now).with("Date", &now))
    };
    rfc850_in_the_future_is_fresh: reused(expires(date_rfc850(3600)));
    rfc850_in_the_past_is_stale: not_reused(expires(date_rfc850(-3600)));
    rfc850_sixty_years_ahead_is_the_past: not_reused(expires(date_rfc850(60 * YEAR)));
    rfc850_forty_years_ahead_is_the_future: reused(expires(date_rfc850(40 * YEAR)));
    asctime_in_the_future_is_fresh: reused(expires(date_asctime(3600)));
    asctime_in_the_past_is_stale: not_reused(expires(date_asctime(-3600)));
    zero_is_the_past: not_reused(expires("0"));
    minus_one_is_the_past: not_reused(expires("-1"));
    a_number_is_the_past: not_reused(expires("3600"));
    nonsense_is_the_past: not_reused(expires("never"));
    empty_is_the_past: not_reused(expires(""));
    invalid_is_not_replaced_by_a_guess: not_reused(expires("0").with("Last-Modified", date(-1000 * DAY)));
    zone_pst_is_the_past: not_reused(expires(date_in_zone(20 * 3600, "PST")));
    zone_aest_is_the_past: not_reused(expires(date_in_zone(20 * 3600, "AEST")));
    offset_is_the_past: not_reused(expires(date_in_zone(20 * 3600, "+0000")));
    zone_utc_is_the_past: not_reused(expires(date_in_zone(20 * 3600, "UTC")));
    without_zone_is_the_past: not_reused(expires(date_in_zone(20 * 3600, "").trim_end()));
    in_lower_case_is_understood: reused(expires(date(3600).to_lowercase()));
    in_upper_case_is_understood: reused(expires(date(3600).to_uppercase()));
    zone_in_lower_case_is_understood: reused(expires(date_in_zone(3600, "gmt")));
    without_comma_is_the_past: not_reused(expires("Thu 18 Aug 2050 02:01:18 GMT"));
    with_two_spaces_is_the_past: not_reused(expires("Thu,  18 Aug 2050 02:01:18 GMT"));
    with_two_spaces_before_the_time_is_the_past: not_reused(expires("Thu, 18 Aug 2050  02:01:18 GMT"));
    with_dashes_is_the_past: not_reused(expires("Thu, 18-Aug-2050 02:01:18 GMT"));
    with_points_is_the_past: not_reused(expires("Thu, 18 Aug 2050 02.01.18 GMT"));
    with_one_digit_of_hour_is_the_past: not_reused(expires("Thu, 18 Aug 2050 2:01:18 GMT"));
    with_one_digit_of_day_is_the_past: not_reused(expires("Thu, 8 Sep 2050 02:01:18 GMT"));
    with_two_digits_of_year_is_the_past: not_reused(expires("Thu, 18 Aug 50 02:01:18 GMT"));
    without_weekday_is_the_past: not_reused(expires("18 Aug 2050 02:01:18 GMT"));
    day_32_is_the_past: not_reused(expires("Thu, 32 Aug 2050 02:01:18 GMT"));
    hour_25_is_the_past: not_reused(expires("Thu, 18 Aug 2050 25:01:18 GMT"));
    no_such_month_is_the_past: not_reused(expires("Thu, 18 Foo 2050 02:01:18 GMT"));
    with_more_behind_is_the_past: not_reused(expires("Thu, 18 Aug 2050 02:01:18 GMT foo"));
    iso_8601_is_the_past: not_reused(expires("2050-08-18T02:01:18Z"));
    quoted_is_the_past: not_reused(expires("\"Thu, 18 Aug 2050 02:01:18 GMT\""));
    two_dates_in_a_line_are_the_past: not_reused(expires("Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:19 GMT"));
    first_of_two_lines_counts: not_reused(expires(date(-3600)).with("Expires", date(3600)));
    year_2099_is_fresh: reused(expires("Thu, 01 Jan 2099 00:00:00 GMT"));
    year_9999_is_fresh: reused(expires("Fri, 31 Dec 9999 23:59:59 GMT"));
    year_1900_is_stale: not_reused(expires("Mon, 01 Jan 1900 00:00:00 GMT"));
    is_relative_to_an_old_date: reused(expires(date(60)).with("Date", date(-3600)));
    before_a_date_in_the_future_is_stale: not_reused(expires(date(1800)).with("Date", date(3600)));
    old_date_and_expires_passed_is_stale: not_reused(expires(date(-60)).with("Date", date(-3600)));
    age_above_the_lifetime_is_stale: not_reused(expires(date(3600)).with("Age", "7200"));
    without_date_is_fresh: reused(expires(date(3600)).undated());
    without_date_in_the_past_is_stale: not_reused(expires(date(-1)).undated());
    with_an_invalid_date_is_fresh: reused(expires(date(3600)).with("Date", "foo"));
}
