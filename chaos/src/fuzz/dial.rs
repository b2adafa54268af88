//! What of a candidate can be made less, each as one number. Pure.

use std::time::Duration;

use super::candidate::Candidate;
use crate::{
    experiment::{Pick, Step},
    fault::Parameter,
};

/// Shorter than that a fault is hardly proved before it heals.
const SHORTEST_MS: u64 = 1_000;

/// Differences that are worth no run.
const TIME_STEP_MS: u64 = 500;
const TIME_GRAIN_MS: u64 = 100;
const RATE_STEP_TENTHS: u64 = 5;

/// Fewer a second, and a window of some seconds has regions without a checkout, which is no steady state.
const LEAST_RATE_TENTHS: u64 = 10;

/// One number of a candidate; zero is none of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dial {
    /// How long the step's fault is held.
    Time(usize),
    /// From the beginning of the step before, or of the schedule, to that of this one; what comes later moves along.
    Gap(usize),
    /// How much of it, whichever way.
    Parameter(usize, &'static Parameter),
    Rate,
    NodeReads,
    Deals,
}

/// What decides most first: a person reads the steps before the load.
pub(super) fn dials(of: &Candidate) -> Vec<Dial> {
    let steps = || of.steps.iter().enumerate();
    let mut dials: Vec<Dial> = steps().filter(|(_, step)| step.pick.entry.lasts()).map(|(nth, _)| Dial::Time(nth)).collect();
    dials.extend(steps().map(|(nth, _)| Dial::Gap(nth)));
    // A narrower link is the harder one, so less of it is not smaller.
    let is_less = |one: &&Parameter| one.name != "bytes_per_s";
    let parameters = steps().flat_map(|(nth, step)| step.pick.entry.parameters.iter().filter(is_less).map(move |one| (nth, one)));
    dials.extend(parameters.map(|(nth, one)| Dial::Parameter(nth, one)));
    dials.extend([Dial::Rate, Dial::NodeReads, Dial::Deals]);
    dials
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn parameter(pick: &Pick, one: &Parameter) -> i64 {
    pick.parameters.get(one.name).copied().unwrap_or(one.default)
}

fn tenths(rate: f64) -> u64 {
    // Rates are up to 10,000.
    format!("{:.0}", rate * 10.0).parse().unwrap_or_default()
}

/// When the last of these that ended before then was over.
fn over_before(steps: &[Step], at: Duration) -> Duration {
    steps.iter().map(|step| step.at + step.pick.time).filter(|over| *over <= at).max().unwrap_or_default()
}

impl Dial {
    pub(super) fn value(self, of: &Candidate) -> u64 {
        match self {
            Self::Time(nth) => ms(of.steps[nth].pick.time),
            Self::Gap(nth) => ms(of.steps[nth].at - before(of, nth)),
            Self::Parameter(nth, one) => parameter(&of.steps[nth].pick, one).unsigned_abs(),
            Self::Rate => tenths(of.load.rate),
            Self::NodeReads => tenths(of.load.node_reads),
            Self::Deals => tenths(of.load.deals),
        }
    }

    pub(super) fn least(self, of: &Candidate) -> u64 {
        match self {
            Self::Time(_) => SHORTEST_MS,
            // Who waited for another one still does.
            Self::Gap(nth) => ms(over_before(&of.steps[..nth], of.steps[nth].at).saturating_sub(before(of, nth))),
            // Where less than nothing is allowed, nothing is no fault.
            Self::Parameter(_, one) => u64::try_from(one.least).unwrap_or(1),
            Self::NodeReads => 0,
            Self::Rate | Self::Deals => LEAST_RATE_TENTHS,
        }
    }

    /// From which difference on another run is worth it.
    pub(super) fn worth(self, value: u64) -> u64 {
        let least = match self {
            Self::Time(_) | Self::Gap(_) => TIME_STEP_MS,
            Self::Parameter(..) => 1,
            Self::Rate | Self::NodeReads | Self::Deals => RATE_STEP_TENTHS,
        };
        // An eighth: three halvings.
        least.max(value / 8)
    }

    /// A round number near the middle, above the one and below the other.
    pub(super) fn middle(self, low: u64, high: u64) -> u64 {
        let middle = low + (high - low) / 2;
        let grain = if matches!(self, Self::Time(_) | Self::Gap(_)) { TIME_GRAIN_MS } else { 1 };
        let round = middle / grain * grain;
        if round > low { round } else { middle }
    }

    /// `None`: there is no such candidate.
    pub(super) fn set(self, of: &Candidate, value: u64) -> Option<Candidate> {
        let mut set = of.clone();
        let rate = || u32::try_from(value).ok().map(|tenths| f64::from(tenths) / 10.0);
        match self {
            Self::Time(nth) => set.steps[nth].pick.time = Duration::from_millis(value),
            Self::Gap(nth) => {
                let sooner = Duration::from_millis(self.value(of).checked_sub(value)?);
                set.steps[nth..].iter_mut().for_each(|step| step.at -= sooner);
            }
            Self::Parameter(nth, one) => {
                let pick = &of.steps[nth].pick;
                let signed = i64::try_from(value).ok()? * parameter(pick, one).signum();
                let mut parameters = pick.parameters.clone();
                parameters.insert(one.name.to_owned(), signed);
                set.steps[nth].pick = pick.with(pick.time, parameters).ok()?;
            }
            Self::Rate => set.load.rate = rate()?,
            Self::NodeReads => set.load.node_reads = rate()?,
            Self::Deals => set.load.deals = rate()?,
        }
        Some(set)
    }
}

fn before(of: &Candidate, nth: usize) -> Duration {
    nth.checked_sub(1).map_or(Duration::ZERO, |before| of.steps[before].at)
}
