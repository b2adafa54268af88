//! What a run failed by, so that another one can be said to fail the same way. Pure.

use crate::{
    check::{BOUNDED_STALENESS, CONSERVATION, EXACTLY_ONCE, LINEARIZABLE, NO_LOST_ACK, NO_OVERSELL, Outcome, RECOVERED, Verdict},
    drill::violated_by,
    fuzz::Trial,
    run::{Grade, Run},
};

/// The worst first. What is not named here is worse than what was slow and less bad than what was lost.
const WORST_FIRST: [&str; 5] = [NO_OVERSELL, NO_LOST_ACK, EXACTLY_ONCE, CONSERVATION, LINEARIZABLE];

/// Those that a run which was ended early fails by having been ended early.
const OF_TIMES: [&str; 3] = [BOUNDED_STALENESS, RECOVERED, crate::drill::STEADY_AGAIN];

/// A failure: the worst check that is violated, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub check: String,
    pub what: String,
}

fn badness(check: &str) -> usize {
    let after = |of: &[&str]| of.iter().position(|name| *name == check);
    after(&WORST_FIRST).or_else(|| after(&OF_TIMES).map(|nth| WORST_FIRST.len() + 1 + nth)).unwrap_or(WORST_FIRST.len())
}

impl Found {
    /// All that are violated, the worst first.
    fn all(run: &Run) -> Vec<Self> {
        let early = run.invalid.is_some() || run.aborted.is_some();
        let counts = |check: &&Verdict| check.outcome == Outcome::Fail && !(early && OF_TIMES.contains(&check.check.as_str()));
        let mut found: Vec<Self> = run.checks.iter().filter(counts).map(Self::by).collect();
        // What was seen while it went on counts also where the checks say nothing afterwards.
        let seen = run.aborted.as_deref().and_then(violated_by);
        found.extend(seen.map(|(check, what)| Self { check: check.to_owned(), what: what.to_owned() }));
        found.sort_by_key(|found| badness(&found.check));
        found
    }

    fn by(check: &Verdict) -> Self {
        let what = check.violations.first().map_or(&check.summary, |violation| &violation.what);
        Self { check: check.check.clone(), what: what.clone() }
    }

    pub fn worst(run: &Run) -> Option<Self> {
        Self::all(run).into_iter().next()
    }

    /// Whether a run fails by the same check.
    pub fn again(&self, run: &Run) -> Trial {
        if Self::all(run).iter().any(|found| found.check == self.check) {
            return Trial::Fails;
        }
        match run.grade() {
            Grade::Pass | Grade::Fail if run.invalid.is_none() && run.aborted.is_none() => Trial::Holds,
            _ if run.faults.is_empty() => Trial::NotReady,
            _ => Trial::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Fault;

    fn run(failed: &[&str], aborted: Option<&str>) -> Run {
        let checks = failed.iter().map(|check| Verdict::new(check, Outcome::Fail, format!("{check} it is"), Vec::new()));
        let passed = Verdict::new("something", Outcome::Pass, String::new(), Vec::new());
        let checks = checks.chain([passed]).collect();
        Run { checks, aborted: aborted.map(str::to_owned), faults: vec![Fault::default()], ..Run::default() }
    }

    #[test]
    fn the_worst_is_what_counts() {
        let worst = |failed: &[&str]| Found::worst(&run(failed, None)).map(|found| found.check);
        assert_eq!(worst(&[RECOVERED, "rpo", NO_LOST_ACK]).as_deref(), Some(NO_LOST_ACK));
        assert_eq!(worst(&[RECOVERED, "rpo"]).as_deref(), Some("rpo"));
        assert_eq!(worst(&[crate::drill::STEADY_AGAIN, RECOVERED]).as_deref(), Some(RECOVERED));
        assert_eq!(worst(&[]), None);
    }

    #[test]
    fn a_run_that_was_ended_early_fails_by_what_is_lost_and_not_by_what_is_late() {
        let by_operator = Some("the operator wanted it");
        assert_eq!(Found::worst(&run(&[RECOVERED], by_operator)), None);
        assert_eq!(Found::worst(&run(&[RECOVERED, NO_LOST_ACK], by_operator)).unwrap().check, NO_LOST_ACK);
        let invalid = Run { invalid: Some("it did not take effect".to_owned()), ..run(&[RECOVERED], None) };
        assert_eq!(Found::worst(&invalid), None);
        let seen = Found::worst(&run(&[], Some("an invariant is violated: no_oversell: 3 of 2 are sold"))).unwrap();
        assert_eq!((seen.check.as_str(), seen.what.as_str()), (NO_OVERSELL, "3 of 2 are sold"));
    }

    #[test]
    fn the_same_check_is_the_same_failure_and_what_proves_nothing_is_none() {
        let found = Found { check: NO_LOST_ACK.to_owned(), what: String::new() };
        assert_eq!(found.again(&run(&[LINEARIZABLE, NO_LOST_ACK], None)), Trial::Fails);
        assert_eq!(found.again(&run(&[LINEARIZABLE], None)), Trial::Holds);
        assert_eq!(found.again(&run(&[], None)), Trial::Holds);
        assert_eq!(found.again(&run(&[], Some("5 of 6 requests of 30 s failed"))), Trial::Invalid);
        let invalid = Run { invalid: Some("it was not steady before".to_owned()), ..run(&[], None) };
        assert_eq!(found.again(&invalid), Trial::Invalid);
        assert_eq!(found.again(&Run { faults: Vec::new(), ..invalid }), Trial::NotReady);
        let live = "an invariant is violated: no_lost_ack: x";
        assert_eq!(found.again(&run(&[], Some(live))), Trial::Fails);
    }
}
