//! What is different between two runs.

use serde::Serialize;

use super::{
    figures::{headlines, phases},
    story::word,
};
use crate::{check::Outcome, run::Run};

/// One line of the comparison.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    pub what: String,
    pub before: String,
    pub after: String,
    /// A check that held does not any more, or the verdict got worse. Numbers are for people to judge.
    pub is_worse: bool,
}

/// Verdicts first; what is the same in both is left out.
pub fn diff(before: &Run, after: &Run) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut compare = |what: String, before: String, after: String, is_worse: bool| {
        if before != after {
            changes.push(Change { what, before, after, is_worse });
        }
    };
    let grade = |run: &Run| word(run.grade()).to_owned();
    compare("verdict".to_owned(), grade(before), grade(after), grade(before) == "PASS");
    let checks: std::collections::BTreeSet<&String> =
        before.checks.iter().chain(&after.checks).map(|check| &check.check).collect();
    for name in checks {
        let of = |run: &Run| run.checks.iter().find(|check| check.check == *name).map(|check| check.outcome);
        let text =
            |outcome: Option<Outcome>| outcome.map_or("not made".to_owned(), |outcome| format!("{outcome:?}").to_lowercase());
        let (was, is) = (of(before), of(after));
        compare(name.clone(), text(was), text(is), was == Some(Outcome::Pass));
    }
    for (was, is) in headlines(before).into_iter().zip(headlines(after)) {
        compare(was.name.to_owned(), format!("{} {}", was.value, was.unit), format!("{} {}", is.value, is.unit), false);
    }
    for was in phases(before) {
        if let Some(is) = phases(after).into_iter().find(|is| is.name == was.name) {
            compare(format!("p99 {}", was.name), format!("{:.0} ms", was.p99_ms), format!("{:.0} ms", is.p99_ms), false);
        }
    }
    compare("seed".to_owned(), before.seed.to_string(), after.seed.to_string(), false);
    compare("topology".to_owned(), before.topology.clone(), after.topology.clone(), false);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;

    #[test]
    fn a_check_that_held_and_does_not_any_more_is_worse() {
        let run = |outcome| {
            let checks = vec![Verdict::new("no_oversell", outcome, String::new(), Vec::new())];
            Run { checks, ..Run::default() }
        };
        let (good, bad) = (run(Outcome::Pass), run(Outcome::Undecided));
        assert_eq!(diff(&good, &good), []);
        let worse: Vec<(String, bool)> = diff(&good, &bad).into_iter().map(|change| (change.what, change.is_worse)).collect();
        assert_eq!(worse, [("verdict".to_owned(), true), ("no_oversell".to_owned(), true)]);
        assert!(diff(&bad, &good).iter().all(|change| !change.is_worse));
    }
}
