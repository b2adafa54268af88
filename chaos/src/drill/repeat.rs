//! The same run several times: medians and the worst. Pure.

use serde::Serialize;

use crate::{
    report::word,
    run::{Recovered, Run, Window},
};

/// Of one number over all runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Repeats {
    pub what: &'static str,
    pub median: Option<u64>,
    pub worst: Option<u64>,
    /// Runs that have no such number, as where checkouts were never answered again.
    pub without: usize,
}

fn of(what: &'static str, mut values: Vec<Option<u64>>) -> Repeats {
    values.sort_unstable_by_key(|value| value.unwrap_or(u64::MAX));
    let known: Vec<u64> = values.iter().copied().flatten().collect();
    let median = values.get(values.len().saturating_sub(1) / 2).copied().flatten();
    Repeats { what, median, worst: known.last().copied(), without: values.len() - known.len() }
}

/// In milliseconds, and operations.
pub fn summary(runs: &[Run]) -> Vec<Repeats> {
    let worst = |run: &Run, phase: fn(&Recovered) -> Option<u64>| {
        let faults = &run.recovery.as_ref()?.faults;
        faults.iter().map(phase).collect::<Option<Vec<u64>>>()?.into_iter().max()
    };
    let longest = |run: &Run| run.recovery.as_ref()?.windows.iter().map(Window::length_ms).max();
    let each = |phase: fn(&Recovered) -> Option<u64>| runs.iter().map(|run| worst(run, phase)).collect();
    vec![
        of("rto_ms", each(|fault| fault.rto_ms)),
        of("detected_ms", each(|fault| fault.detected_ms)),
        of("elected_ms", each(|fault| fault.elected_ms)),
        of("drained_ms", each(|fault| fault.drained_ms)),
        of("replicas_ms", each(|fault| fault.replicas_ms)),
        of("longest_without_a_checkout_ms", runs.iter().map(longest).collect()),
        of("rpo_ops", runs.iter().map(|run| Some(run.rpo_ops)).collect()),
        of("not_passed", runs.iter().map(|run| Some(u64::from(word(run.grade()) != "PASS"))).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Recovery;

    #[test]
    fn a_run_that_never_recovered_counts_as_the_worst() {
        let run = |rto_ms| {
            let faults = vec![Recovered { rto_ms, ..Recovered::default() }];
            Run { recovery: Some(Recovery { faults, windows: Vec::new() }), ..Run::default() }
        };
        let told = |runs: &[Option<u64>]| summary(&runs.iter().copied().map(run).collect::<Vec<_>>())[0].clone();
        let three = told(&[Some(900), Some(300), Some(500)]);
        assert_eq!((three.median, three.worst, three.without), (Some(500), Some(900), 0));
        let lost = told(&[Some(900), None, None]);
        assert_eq!((lost.median, lost.worst, lost.without), (None, Some(900), 2));
        assert_eq!(told(&[]).median, None);
    }
}
