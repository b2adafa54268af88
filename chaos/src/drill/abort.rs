//! When a run is given up: somebody wants it, too much fails, or an invariant is violated.

use std::{path::PathBuf, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use crate::{
    check::{Outcome, exactly_once, no_oversell},
    experiment::AbortWhen,
    history::{Op, Operation, read_so_far},
    workload::Meter,
};

/// Between two looks at the errors, and at the history.
const LOOK: Duration = Duration::from_millis(500);
const JUDGE_EVERY: u32 = 10;

/// Units that arrive are noted down when that was answered, and may have been taken before: within all attempts of one answer.
const ON_THEIR_WAY_NS: u64 = 30_000_000_000;

/// What is looked at meanwhile.
pub(super) struct Watched<'a> {
    pub(super) meter: &'a Meter,
    pub(super) history: PathBuf,
}

/// Comes back with why the run is to be given up.
pub(super) async fn abort(any: &[AbortWhen], watched: Watched<'_>) -> anyhow::Result<String> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let is_judged = any.contains(&AbortWhen::InvariantViolated);
    let mut nth: u32 = 0;
    loop {
        tokio::select! {
            // Whether or not the file says so: whoever wants it to end wants it healed.
            _ = interrupt.recv() => return Ok("the operator wanted it".to_owned()),
            _ = terminate.recv() => return Ok("the operator wanted it".to_owned()),
            _ = looks.tick() => {}
        }
        nth += 1;
        let now_s = watched.meter.now() / 1_000_000_000;
        for when in any {
            let AbortWhen::ErrorRate { above_ppm, time } = when else { continue };
            let from = now_s.saturating_sub(time.as_secs().max(1));
            // Less than the whole time is no such time.
            if now_s < time.as_secs() {
                continue;
            }
            let seen = watched.meter.summary(None, from..now_s);
            if fails((seen.ok, seen.failed), *above_ppm) {
                let all = seen.ok + seen.failed;
                return Ok(format!("{} of {all} requests of {} s failed", seen.failed, time.as_secs()));
            }
        }
        if is_judged && nth.is_multiple_of(JUDGE_EVERY) {
            let path = watched.history.clone();
            let now = watched.meter.now();
            if let Some(what) = tokio::task::spawn_blocking(move || violated(&path, now)).await? {
                return Ok(what);
            }
        }
    }
}

fn fails((ok, failed): (u64, u64), above_ppm: u64) -> bool {
    failed > 0 && failed * 1_000_000 > above_ppm * (ok + failed)
}

/// What the lines so far prove, however the run goes on.
fn violated(path: &std::path::Path, now: u64) -> Option<String> {
    let told = so_far(read_so_far(path).ok()?, now)?;
    Some(format!("an invariant is violated: {told}"))
}

fn so_far(history: Vec<Operation>, now: u64) -> Option<String> {
    let judged = exactly_once(&history, &[]);
    let known = now.saturating_sub(ON_THEIR_WAY_NS);
    let settled = history.into_iter().filter(|line| line.op == Op::Receive || line.ret.is_some_and(|ret| ret < known));
    let settled: Vec<Operation> = settled.collect();
    let found = [judged, no_oversell(&settled)].into_iter().find(|verdict| verdict.outcome == Outcome::Fail)?;
    let what = found.violations.first().map(|violation| violation.what.clone()).unwrap_or(found.summary);
    Some(format!("{}: {what}", found.check))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Out;

    fn line(op: Op, id: &str, qty: u64, at: u64) -> Operation {
        let (sku, id) = ("cup".to_owned(), id.to_owned());
        Operation { client: 1, op, sku, id, qty, call: at, ret: Some(at + 1), out: Out::Ok, value: None, ver: None }
    }

    #[test]
    fn a_share_is_too_much_only_above_it() {
        assert!(!fails((5, 5), 500_000) && fails((4, 5), 500_000) && !fails((0, 0), 0));
    }

    #[test]
    fn an_oversell_is_seen_once_nothing_that_arrived_can_explain_it() {
        let history = vec![line(Op::Receive, "a", 2, 10), line(Op::Purchase, "b", 2, 20), line(Op::Purchase, "c", 1, 30)];
        assert_eq!(so_far(history.clone(), 1_000), None, "units may still be told of");
        let told = so_far(history.clone(), ON_THEIR_WAY_NS + 1_000).unwrap();
        assert!(told.starts_with("no_oversell: "), "{told}");
        assert_eq!(so_far(history[..2].to_vec(), ON_THEIR_WAY_NS + 1_000), None);
    }
}
