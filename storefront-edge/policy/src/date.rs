//! HTTP dates as a cache reads them (RFC 9110 section 5.6.7, RFC 9111 section 4.2): three forms, in any case, GMT only.

/// Days before the first of each month in a year that is not a leap year.
const DAYS_BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
const LONG_WEEKDAYS: [&str; 7] = ["thursday", "friday", "saturday", "sunday", "monday", "tuesday", "wednesday"];

/// Seconds since 1970, of one of the three forms; `None` for anything else, other zones than GMT included. `now_s` decides the
/// century of a two-digit year.
pub fn parse_http_date(text: &str, now_s: u64) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let (weekday, rest) = text.split_once(' ')?;
    match weekday.strip_suffix(',') {
        Some(weekday) if WEEKDAYS.contains(&weekday) => imf_fixdate(rest),
        Some(weekday) if LONG_WEEKDAYS.contains(&weekday) => rfc850(rest, now_s),
        None if WEEKDAYS.contains(&weekday) => asctime(rest),
        _ => None,
    }
}

/// `06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(rest: &str) -> Option<u64> {
    let [day, month, year, clock, "gmt"] = words(rest)? else { return None };
    seconds(digits(year, 4)?, month_of(month)?, digits(day, 2)?, clock)
}

/// `06-Nov-94 08:49:37 GMT`: a year that seems more than 50 years in the future is in the past.
fn rfc850(rest: &str, now_s: u64) -> Option<u64> {
    let [date, clock, "gmt"] = words(rest)? else { return None };
    let mut parts = date.split('-');
    let (day, month, short) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let this_year = 1970 + now_s / 31_556_952;
    let mut year = this_year - this_year % 100 + digits(short, 2)?;
    if year > this_year + 50 {
        year -= 100;
    }
    seconds(year, month_of(month)?, digits(day, 2)?, clock)
}

/// `Nov  6 08:49:37 1994`
fn asctime(rest: &str) -> Option<u64> {
    // A day below 10 has a space before it.
    let padded = rest.get(3..5) == Some("  ");
    let spaced = rest.replacen("  ", " ", usize::from(padded));
    let [month, day, clock, year] = words(&spaced)?;
    let day = digits(day, if padded { 1 } else { 2 })?;
    seconds(digits(year, 4)?, month_of(month)?, day, clock)
}

/// Exactly `N` words with one space between them.
fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    text.split(' ').collect::<Vec<_>>().try_into().ok()
}

fn digits(text: &str, count: usize) -> Option<u64> {
    (text.len() == count && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok())?
}

fn month_of(name: &str) -> Option<usize> {
    MONTHS.iter().position(|known| *known == name)
}

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400)
}

fn seconds(year: u64, month: usize, day: u64, clock: &str) -> Option<u64> {
    let mut parts = clock.split(':').map(|part| digits(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let leap_day = u64::from(is_leap(year) && month > 1);
    let in_month = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].get(month).copied()?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 || day == 0 || day > in_month {
        return None;
    }
    // Before 1970 there was no web; such a date is as old as can be.
    let Some(years) = year.checked_sub(1970) else { return Some(0) };
    let before = year - 1;
    let leaps = (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
    let days = years * 365 + leaps + DAYS_BEFORE.get(month)? + leap_day + day - 1;
    Some(days * 86_400 + hour * 3_600 + minute * 60 + second)
}

/// The preferred form: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub fn http_date(unix_s: u64) -> String {
    let (days, of_day) = (unix_s / 86_400, unix_s % 86_400);
    let (mut year, mut left) = (1970, days);
    loop {
        let length = 365 + u64::from(is_leap(year));
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let begins = |month: usize| DAYS_BEFORE.get(month).copied().unwrap_or(0) + u64::from(is_leap(year) && month > 1);
    let month = (0..12).rev().find(|month| begins(*month) <= left).unwrap_or(0);
    let name = |names: &[&str], at: usize| {
        let name = names.get(at).copied().unwrap_or_default();
        name.get(..1).unwrap_or_default().to_ascii_uppercase() + name.get(1..).unwrap_or_default()
    };
    let weekday = name(&WEEKDAYS, usize::try_from(days % 7).unwrap_or(0));
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{weekday}, {:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT", left - begins(month) + 1, name(&MONTHS, month))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW_S: u64 = 1_795_000_000;

    #[test]
    fn three_forms_in_any_case_and_nothing_else() {
        let read = |text| parse_http_date(text, NOW_S);
        let then = Some(784_111_777);
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), then);
        assert_eq!(read("sUN, 06 nOV 1994 08:49:37 gmt"), then);
        assert_eq!(read("Sunday, 06-Nov-94 08:49:37 GMT"), then);
        assert_eq!(read("Sun Nov  6 08:49:37 1994"), then);
        assert_eq!(read("Thursday, 18-Aug-50 02:01:18 GMT"), Some(2_544_400_878));
        for bad in [
            "0",
            "",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun,  06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994  08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun, 06 Nov 1994 08:49:37 +0100",
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(unix_s in 0u64..=7_000_000_000) {
            prop_assert_eq!(parse_http_date(&http_date(unix_s), NOW_S), Some(unix_s));
        }
    }
}
