//! The numbers of a run that operators ask for.

use crate::run::{Recovered, Run, Sample, Window};

/// Latency of checkouts in a part of the run, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Phase {
    pub(super) name: &'static str,
    pub(super) seconds: usize,
    /// Of the median second.
    pub(super) p50_ms: f64,
    /// Of the worst second, the next two as well.
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) failed: u64,
}

pub(super) fn checkouts(run: &Run) -> impl Iterator<Item = &Sample> {
    run.samples.iter().filter(|sample| sample.kind == "checkout")
}

/// Before the first fault, until the last was healed, and after.
pub(super) fn phases(run: &Run) -> Vec<Phase> {
    let Some(from_ms) = run.faults.iter().map(|fault| fault.from_ms).min() else {
        return vec![phase(run, "whole run", 0, u64::MAX)];
    };
    let to_ms = run.faults.iter().map(|fault| fault.to_ms.unwrap_or(run.length_ms)).max().unwrap_or(run.length_ms);
    vec![phase(run, "before", 0, from_ms), phase(run, "during", from_ms, to_ms), phase(run, "after", to_ms, u64::MAX)]
}

/// Seconds that begin in it.
fn phase(run: &Run, name: &'static str, from_ms: u64, to_ms: u64) -> Phase {
    let inside = |sample: &&Sample| (from_ms..to_ms).contains(&(sample.second * 1_000));
    let all: Vec<&Sample> = checkouts(run).filter(inside).collect();
    let answered = || all.iter().filter(|sample| sample.ok > 0);
    let ms = |us: u64| us as f64 / 1e3;
    let worst = |of: fn(&Sample) -> u64| ms(answered().map(|sample| of(sample)).max().unwrap_or_default());
    let mut medians: Vec<u64> = answered().map(|sample| sample.p50_us).collect();
    medians.sort_unstable();
    let seconds: std::collections::BTreeSet<u64> = all.iter().map(|sample| sample.second).collect();
    Phase {
        name,
        seconds: seconds.len(),
        p50_ms: ms(medians.get(medians.len() / 2).copied().unwrap_or_default()),
        p99_ms: worst(|sample| sample.p99_us),
        p999_ms: worst(|sample| sample.p999_us),
        failed: all.iter().map(|sample| sample.failed()).sum(),
    }
}

/// A number that stands for the run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Headline {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) unit: &'static str,
    pub(super) note: String,
}

/// The longest; `None`: of one of them there is none.
fn worst(faults: &[Recovered], of: fn(&Recovered) -> Option<u64>) -> Option<u64> {
    let all: Option<Vec<u64>> = faults.iter().map(of).collect();
    all.and_then(|all| all.into_iter().max())
}

pub(super) fn headlines(run: &Run) -> Vec<Headline> {
    let headline = |name, value: Option<u64>, unit, note: String| {
        let none = if run.faults.is_empty() { "-" } else { "never" };
        Headline {
            name,
            value: value.map_or(none.to_owned(), |value| value.to_string()),
            unit: if value.is_some() { unit } else { "" },
            note,
        }
    };
    let recovery = run.recovery.clone().unwrap_or_default();
    let rto = worst(&recovery.faults, |fault| fault.rto_ms);
    // Most faults are not about the leader.
    let missed: Vec<Recovered> = recovery.faults.iter().filter(|fault| fault.misses_leader()).cloned().collect();
    let of_leader = |name, of: fn(&Recovered) -> Option<u64>, note: &str| match missed.as_slice() {
        [] => Headline { name, value: "-".to_owned(), unit: "", note: "the leader was not lost".to_owned() },
        missed => headline(name, worst(missed, of), "ms", note.to_owned()),
    };
    let window = recovery.windows.iter().max_by_key(|window| window.length_ms());
    let place = window.map(|Window { region, from_ms, .. }| format!("in {region}, from {:.1} s on", *from_ms as f64 / 1e3));
    let budget = run.budget_spent();
    vec![
        headline("Recovery time (RTO)", rto, "ms", "fault to checkouts answered again".to_owned()),
        headline("Lost operations (RPO)", Some(run.rpo_ops), "ops", "acknowledged and gone".to_owned()),
        of_leader("Time to detect", |fault| fault.detected_ms, "until the leader was missed"),
        of_leader("New leader after", |fault| fault.elected_ms, "of a higher term"),
        headline("Longest without a checkout", window.map(Window::length_ms), "ms", place.unwrap_or_default()),
        headline(
            "Error budget spent",
            budget,
            "%",
            format!("of {} ppm that may fail", 1_000_000 - run.objective_ppm.min(1_000_000)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Fault, Recovery};

    #[test]
    fn a_run_is_told_before_during_and_after() {
        let sample = |second, p99_us| {
            let (region, kind) = ("eu".to_owned(), "checkout".to_owned());
            Sample {
                second,
                region,
                kind,
                ok: 1,
                p50_us: p99_us / 2,
                p99_us,
                p999_us: p99_us,
                max_us: p99_us,
                ..Sample::default()
            }
        };
        let samples = vec![sample(0, 10_000), sample(1, 12_000), sample(2, 900_000), sample(3, 11_000)];
        let faults = vec![Fault { from_ms: 1_500, to_ms: Some(2_500), ..Fault::default() }];
        let told = phases(&Run { samples, faults, length_ms: 4_000, ..Run::default() });
        let p99: Vec<(&str, f64)> = told.iter().map(|phase| (phase.name, phase.p99_ms)).collect();
        assert_eq!(p99, [("before", 12.0), ("during", 900.0), ("after", 11.0)]);
    }

    #[test]
    fn a_leader_that_was_not_lost_was_not_missed_for_ever() {
        let told = |faults: Vec<Recovered>| {
            let recovery = Some(Recovery { faults, windows: Vec::new() });
            let run = Run { faults: vec![Fault::default()], recovery, ..Run::default() };
            headlines(&run)[2..4].iter().map(|headline| headline.value.clone()).collect::<Vec<_>>()
        };
        let stays = Recovered { rto_ms: Some(5), ..Recovered::default() };
        let lost = Recovered { detected_ms: Some(70), ..stays.clone() };
        let replaced = Recovered { elected_ms: Some(300), ..lost.clone() };
        assert_eq!(told(vec![stays.clone()]), ["-", "-"]);
        assert_eq!(told(vec![stays.clone(), replaced.clone()]), ["70", "300"]);
        assert_eq!(told(vec![stays, lost, replaced]), ["70", "never"]);
    }
}
