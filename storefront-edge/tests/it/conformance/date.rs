//! Dates in the three forms of RFC 9110 section 5.6.7, so many seconds from now. Must not: parse.

use time::{OffsetDateTime, macros::format_description};

fn moment(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::seconds(seconds)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) fn date(seconds: i64) -> String {
    date_in_zone(seconds, "GMT")
}

/// The same form with another zone behind the same digits.
pub(crate) fn date_in_zone(seconds: i64, zone: &str) -> String {
    let form = format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second]");
    format!("{} {zone}", moment(seconds).format(form).unwrap())
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
pub(crate) fn date_rfc850(seconds: i64) -> String {
    let form = format_description!("[weekday], [day]-[month repr:short]-[year repr:last_two] [hour]:[minute]:[second] GMT");
    moment(seconds).format(form).unwrap()
}

/// `Sun Nov  6 08:49:37 1994`
pub(crate) fn date_asctime(seconds: i64) -> String {
    let form = format_description!("[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]");
    moment(seconds).format(form).unwrap()
}
