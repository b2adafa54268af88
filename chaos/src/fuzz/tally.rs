//! All runs of one search, in numbers. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::found::Found;
use crate::{
    experiment::Experiment,
    report::verdict,
    run::{Grade, Run},
};

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    pub seed: u64,
    pub verdict: Grade,
    /// What failed, or why nothing is proved.
    pub why: String,
    /// Names of the faults that were drawn, and of those that took effect.
    pub drawn: Vec<String>,
    pub took_effect: Vec<String>,
    pub took_ms: u64,
    /// How late the load itself was at the worst: on a machine that is too busy, what is slow is the machine's.
    pub late_ms: u64,
    /// Where it is, unless it passed and was not to be kept.
    pub folder: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub rows: Vec<Row>,
}

/// Of one kind of fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Kind {
    pub drawn: usize,
    pub took_effect: usize,
    /// Runs in which it took effect and that failed.
    pub failed: usize,
}

impl Row {
    /// Without a run there is only why not.
    pub fn of(experiment: &Experiment, run: Result<&Run, String>, took_ms: u64) -> Self {
        let late_ms = run.as_ref().map_or(0, |run| run.load.lag_us / 1_000);
        let drawn = experiment.steps.iter().map(|step| step.pick.entry.name.to_owned()).collect();
        let (verdict, why, took_effect) = match run {
            Ok(run) => {
                let proved = run.faults.iter().filter(|fault| fault.proof.is_some());
                let (verdict, why) = graded(run);
                (verdict, why, proved.map(|fault| fault.name.clone()).collect())
            }
            Err(why) => (Grade::Invalid, why, Vec::new()),
        };
        Self { seed: experiment.seed, verdict, why, drawn, took_effect, took_ms, late_ms, folder: None }
    }
}

/// What was ended early does not fail by what is late.
fn graded(run: &Run) -> (Grade, String) {
    match (Found::worst(run), &run.aborted, &run.invalid) {
        (Some(found), ..) => (Grade::Fail, format!("{}: {}", found.check, found.what)),
        (None, Some(why), _) => (Grade::Aborted, why.clone()),
        (None, None, Some(why)) => (Grade::Invalid, why.clone()),
        (None, None, None) => (run.grade(), verdict(run)),
    }
}

impl Tally {
    pub fn count(&self, verdict: Grade) -> usize {
        self.rows.iter().filter(|row| row.verdict == verdict).count()
    }

    /// The whole in one word. What proves nothing is no pass, but does not take away from what was proved.
    pub fn grade(&self) -> Grade {
        [Grade::Fail, Grade::Pass].into_iter().find(|grade| self.count(*grade) > 0).unwrap_or(Grade::Invalid)
    }

    pub fn kinds(&self) -> BTreeMap<&str, Kind> {
        let mut kinds: BTreeMap<&str, Kind> = BTreeMap::new();
        for row in &self.rows {
            row.drawn.iter().for_each(|name| kinds.entry(name).or_default().drawn += 1);
            row.took_effect.iter().for_each(|name| kinds.entry(name).or_default().took_effect += 1);
            let hurt = row.took_effect.iter().filter(|_| row.verdict == Grade::Fail);
            let hurt: BTreeSet<&str> = hurt.map(String::as_str).collect();
            hurt.into_iter().for_each(|name| kinds.entry(name).or_default().failed += 1);
        }
        kinds
    }

    /// From the first to the last.
    pub fn seeds(&self) -> Option<(u64, u64)> {
        Some((self.rows.first()?.seed, self.rows.last()?.seed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::{Outcome, RECOVERED, Verdict},
        drill::Drill,
        run::Fault,
    };

    fn row(verdict: Grade, took_effect: &[&str]) -> Row {
        let names = |of: &[&str]| of.iter().map(|name| (*name).to_owned()).collect();
        let (drawn, took_effect) = (names(&["a", "b"]), names(took_effect));
        Row { seed: 1, verdict, why: String::new(), drawn, took_effect, took_ms: 1, late_ms: 0, folder: None }
    }

    #[test]
    fn what_proves_nothing_is_no_pass() {
        let graded = |verdicts: &[Grade]| Tally { rows: verdicts.iter().map(|verdict| row(*verdict, &[])).collect() }.grade();
        assert_eq!(graded(&[]), Grade::Invalid);
        assert_eq!(graded(&[Grade::Invalid, Grade::Aborted]), Grade::Invalid);
        assert_eq!(graded(&[Grade::Invalid, Grade::Pass]), Grade::Pass);
        assert_eq!(graded(&[Grade::Invalid, Grade::Pass, Grade::Fail]), Grade::Fail);
    }

    #[test]
    fn kinds_are_counted_as_drawn_as_taking_effect_and_by_failure() {
        let tally = Tally { rows: vec![row(Grade::Pass, &["a", "b"]), row(Grade::Fail, &["a"])] };
        let kinds = tally.kinds();
        assert_eq!(kinds["a"], Kind { drawn: 2, took_effect: 2, failed: 1 });
        assert_eq!(kinds["b"], Kind { drawn: 2, took_effect: 1, failed: 0 });
    }

    #[test]
    fn a_run_is_told_with_what_took_effect_and_one_that_was_not_is_invalid() {
        let drill = Drill::named("leader-loss").unwrap().experiment(&BTreeMap::new()).unwrap();
        let faults = [Some("it is gone"), None].map(|proof| Fault {
            proof: proof.map(str::to_owned),
            name: "x".to_owned(),
            ..Fault::default()
        });
        let late = Verdict::new(RECOVERED, Outcome::Fail, "late".to_owned(), Vec::new());
        let run = Run { faults: faults.to_vec(), checks: vec![late], ..Run::default() };
        let failed = Row::of(&drill, Ok(&run), 5);
        assert_eq!((failed.verdict, failed.why.as_str(), failed.took_effect.len()), (Grade::Fail, "recovered_in_time: late", 1));
        let missed = Run { invalid: Some("it did not take effect".to_owned()), ..run };
        assert_eq!(Row::of(&drill, Ok(&missed), 5).verdict, Grade::Invalid);
        let gone = Row::of(&drill, Err("there is no topology".to_owned()), 5);
        assert_eq!((gone.verdict, gone.why.as_str(), gone.drawn.len()), (Grade::Invalid, "there is no topology", 1));
    }
}
