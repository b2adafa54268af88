//! Times as people write them: 500ms, 10s, 5m, 1h. Pure.

use std::time::Duration;

/// Longest time of anything in an experiment: a night.
const LONGEST: Duration = Duration::from_secs(12 * 3_600);

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    #[error("{0:?} is no time; say 500ms, 10s, 5m or 1h")]
    Malformed(String),
    #[error("{text:?} is too long; 12h are the most")]
    TooLong { text: String },
}

/// Zero is a time: the beginning.
pub fn time(text: &str) -> Result<Duration, TimeError> {
    let malformed = || TimeError::Malformed(text.to_owned());
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(malformed)?;
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(malformed()),
    };
    let number: u64 = number.parse().map_err(|_| malformed())?;
    let time = Duration::from_millis(number.saturating_mul(unit_ms));
    if time > LONGEST { Err(TimeError::TooLong { text: text.to_owned() }) } else { Ok(time) }
}

/// As [`time`] reads it.
pub fn show(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0 => "0s".to_owned(),
        _ if ms.is_multiple_of(3_600_000) => format!("{}h", ms / 3_600_000),
        _ if ms.is_multiple_of(60_000) => format!("{}m", ms / 60_000),
        _ if ms.is_multiple_of(1_000) => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_back(ms in 0_u64..=43_200_000) {
            let of = Duration::from_millis(ms);
            proptest::prop_assert_eq!(time(&show(of)), Ok(of));
        }
    }

    #[test]
    fn what_is_no_time_is_told() {
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "10sec", "99999999999999999999s"] {
            assert!(matches!(time(text), Err(TimeError::Malformed(_))), "{text:?} is one");
        }
        assert!(matches!(time("13h"), Err(TimeError::TooLong { .. })));
    }
}
