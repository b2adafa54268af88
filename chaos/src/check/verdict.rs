//! What a check says.

use serde::{Deserialize, Serialize};

/// Violations that one check tells one by one; of what is beyond, the number is told.
pub const MOST_VIOLATIONS: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Pass,
    Fail,
    /// The check ran out of possibilities to try, or of what it needs to know. Never taken for a pass.
    Undecided,
    /// There was nothing of its kind to check.
    Skipped,
}

/// One violation with the smallest set of operations that proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    pub what: String,
    /// In words, in order of the history.
    pub operations: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub check: String,
    pub outcome: Outcome,
    /// One line for people.
    pub summary: String,
    pub violations: Vec<Violation>,
    /// Violations beyond those told.
    pub more: u64,
}

impl Verdict {
    /// With a violation it fails, whatever else.
    pub fn new(check: &str, outcome: Outcome, summary: String, mut violations: Vec<Violation>) -> Self {
        let outcome = if violations.is_empty() { outcome } else { Outcome::Fail };
        let more = violations.len().saturating_sub(MOST_VIOLATIONS) as u64;
        violations.sort_by_key(|violation| violation.operations.len());
        violations.truncate(MOST_VIOLATIONS);
        Self { check: check.to_owned(), outcome, summary, violations, more }
    }

    pub fn skipped(check: &str, why: &str) -> Self {
        Self::new(check, Outcome::Skipped, why.to_owned(), Vec::new())
    }
}
