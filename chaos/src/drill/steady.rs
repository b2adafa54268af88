//! The steady state: what is so before anything is broken, and has to be so again. Pure.

use crate::{
    experiment::Steady,
    workload::{Meter, Summary},
};

/// Requests that were due in the last seconds may still be on their way.
const UNDER_WAY_S: u64 = 4;

/// The whole seconds of the last window whose answers are there; `None`: there is no whole window since then.
pub(super) fn window(steady: &Steady, since_ms: u64, now_ms: u64) -> Option<std::ops::Range<u64>> {
    let to = (now_ms / 1_000).saturating_sub(UNDER_WAY_S);
    let from = to.checked_sub(steady.window.as_secs().max(1))?;
    (from * 1_000 >= since_ms).then_some(from..to)
}

/// What is not as it should be, in words.
pub(super) fn wrong(steady: &Steady, seen: &Summary, level: Result<(), String>) -> Vec<String> {
    let mut wrong = Vec::new();
    // One that still has no answer is as one that failed.
    let all = seen.ok + seen.failed + seen.open;
    if all == 0 {
        wrong.push("there was no checkout".to_owned());
    }
    for region in &seen.silent {
        wrong.push(format!("no checkout of the shoppers of {region} succeeded"));
    }
    if let Some(least_ppm) = steady.checkout_success_ppm {
        let share_ppm = (seen.ok * 1_000_000).checked_div(all).unwrap_or_default();
        if all > 0 && share_ppm < least_ppm {
            wrong.push(format!("{} of {all} checkouts succeeded, {} % have to", seen.ok, least_ppm as f64 / 1e4));
        }
    }
    if let Some(most_ms) = steady.p99_ms.filter(|most_ms| seen.p99_us > most_ms * 1_000) {
        wrong.push(format!("p99 of checkouts was {} ms, {most_ms} are allowed", seen.p99_us / 1_000));
    }
    if let Err(who) = level {
        wrong.push(format!("the replicas were not level: {who}"));
    }
    wrong
}

/// Of the checkouts in that window.
pub(super) fn summary(meter: &Meter, seconds: &std::ops::Range<u64>) -> Summary {
    meter.summary(Some("checkout"), seconds.clone())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn steady() -> Steady {
        Steady {
            window: Duration::from_secs(5),
            checkout_success_ppm: Some(990_000),
            p99_ms: Some(150),
            replicas_level: true,
            again_within: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_window_is_whole_and_lies_behind_the_answers_that_are_awaited() {
        assert_eq!(window(&steady(), 0, 8_999), None);
        assert_eq!(window(&steady(), 0, 9_000), Some(0..5));
        assert_eq!(window(&steady(), 4_001, 13_000), None, "it began before");
        assert_eq!(window(&steady(), 4_001, 14_000), Some(5..10));
    }

    #[test]
    fn each_condition_is_told_when_it_does_not_hold() {
        let fine = Summary { ok: 99, failed: 1, p99_us: 150_000, ..Summary::default() };
        assert!(wrong(&steady(), &fine, Ok(())).is_empty());
        let told = |seen: Summary, level| wrong(&steady(), &seen, level).join("; ");
        assert!(
            told(Summary { ok: 98, failed: 2, ..fine.clone() }, Ok(())).contains("98 of 100 checkouts succeeded, 99 % have to")
        );
        assert!(told(Summary { failed: 0, open: 2, ..fine.clone() }, Ok(())).contains("99 of 101 checkouts succeeded"));
        assert!(told(Summary { silent: vec!["eu".to_owned()], ..fine.clone() }, Ok(())).contains("shoppers of eu"));
        assert!(told(Summary { p99_us: 151_000, ..fine.clone() }, Ok(())).contains("151 ms, 150 are allowed"));
        assert!(told(fine, Err("x lags".to_owned())).contains("not level: x lags"));
        assert!(told(Summary::default(), Ok(())).contains("there was no checkout"));
    }
}
