//! Conditions as an experiment writes them: `>= 99.9%`, `<= 150`, `error_rate > 50% for 30s`, `stale <= 2s`. Pure.

use std::time::Duration;

use super::{
    model::{AbortWhen, Invariant},
    time::{TimeError, time},
};

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BoundError {
    #[error("{text:?} is no {what}; write {example:?}")]
    Malformed { text: String, what: &'static str, example: &'static str },
    #[error(transparent)]
    Time(#[from] TimeError),
    #[error("there is no {what} {text:?}{}; allowed are {allowed}", did_you_mean(text, allowed))]
    Unknown { text: String, what: &'static str, allowed: String },
}

/// The nearest of some words that are listed with commas, if one is near.
pub(super) fn did_you_mean(text: &str, allowed: &str) -> String {
    let near = allowed.split(", ").map(|word| (strsim::jaro_winkler(text, word), word)).max_by(|a, b| a.0.total_cmp(&b.0));
    // Below that the two have little in common.
    near.filter(|(likeness, _)| *likeness > 0.75).map(|(_, word)| format!("; did you mean {word:?}?")).unwrap_or_default()
}

/// Parts of a million in a percentage of up to four decimals.
fn percent(text: &str) -> Option<u64> {
    let number: f64 = text.trim().strip_suffix('%')?.trim().parse().ok()?;
    // 0 to 100 % is 0 to 1,000,000.
    (0.0..=100.0).contains(&number).then(|| format!("{:.0}", number * 10_000.0).parse().ok())?
}

/// `>= 99.9%` in parts of a million.
pub(super) fn share(text: &str) -> Result<u64, BoundError> {
    let wrong = || BoundError::Malformed { text: text.to_owned(), what: "share", example: ">= 99.9%" };
    text.trim().strip_prefix(">=").and_then(percent).ok_or_else(wrong)
}

/// `<= 150`.
pub(super) fn at_most(text: &str) -> Result<u64, BoundError> {
    let wrong = || BoundError::Malformed { text: text.to_owned(), what: "upper bound", example: "<= 150" };
    text.trim().strip_prefix("<=").and_then(|number| number.trim().parse().ok()).ok_or_else(wrong)
}

pub(super) fn abort(text: &str) -> Result<AbortWhen, BoundError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words[..] {
        ["invariant.violated"] => Ok(AbortWhen::InvariantViolated),
        ["operator"] => Ok(AbortWhen::Operator),
        ["error_rate", ">", rate, "for", length] => {
            let wrong =
                || BoundError::Malformed { text: text.to_owned(), what: "condition", example: "error_rate > 50% for 30s" };
            Ok(AbortWhen::ErrorRate { above_ppm: percent(rate).ok_or_else(wrong)?, time: time(length)? })
        }
        _ => {
            let allowed = "invariant.violated, error_rate > 50% for 30s, operator".to_owned();
            Err(BoundError::Unknown { text: text.to_owned(), what: "condition", allowed })
        }
    }
}

pub(super) fn invariant(text: &str) -> Result<Invariant, BoundError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if let ["stale", "<=", bound] = words[..] {
        let bound: Duration = time(bound)?;
        return Ok(Invariant::Stale(bound));
    }
    let found = Invariant::NAMES.iter().find(|(name, _)| *name == text).map(|(_, invariant)| invariant.clone());
    found.ok_or_else(|| {
        let names: Vec<&str> = Invariant::NAMES.iter().map(|(name, _)| *name).chain(["stale <= 2s"]).collect();
        BoundError::Unknown { text: text.to_owned(), what: "invariant", allowed: names.join(", ") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_as_they_are_written() {
        assert_eq!(share(">= 99.9%"), Ok(999_000));
        assert_eq!((share(">=100%"), share(">= 0%")), (Ok(1_000_000), Ok(0)));
        assert_eq!(at_most("<= 150"), Ok(150));
        let rate = AbortWhen::ErrorRate { above_ppm: 500_000, time: Duration::from_secs(30) };
        assert_eq!(abort("error_rate > 50% for 30s"), Ok(rate));
        assert_eq!(invariant("stale <= 2s"), Ok(Invariant::Stale(Duration::from_secs(2))));
        assert_eq!(invariant("no_oversell"), Ok(Invariant::NoOversell));
    }

    #[test]
    fn what_is_none_is_told_with_what_would_be_one() {
        for text in ["99.9%", ">= 99.9", ">= 101%", "<= 5%"] {
            assert!(share(text).unwrap_err().to_string().contains(">= 99.9%"), "{text}");
        }
        assert!(at_most("<= fast").is_err());
        assert!(abort("error_rate > 50% for long").unwrap_err().to_string().contains("500ms"));
        let told = invariant("no_overselling").unwrap_err().to_string();
        assert!(told.contains("did you mean \"no_oversell\"?") && told.contains("linearizable"), "{told}");
        assert!(!invariant("zzz").unwrap_err().to_string().contains("did you mean"));
    }
}
