//! When a run is given up: somebody wants it, too much fails, an invariant is violated, or the load ends before the schedule does.

use std::{io, path::PathBuf, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    check::{Outcome, exactly_once, no_oversell},
    experiment::{AbortWhen, LONGEST_RUN, show},
    history::{HistoryError, Op, Operation, read_so_far},
    workload::Meter,
};

/// How it is told that a run was given up because of a violation; the check and what it says follow.
const VIOLATED: &str = "an invariant is violated: ";

/// The check and what it says, where that is why a run was given up.
pub(crate) fn violated_by(aborted: &str) -> Option<(&str, &str)> {
    aborted.strip_prefix(VIOLATED)?.split_once(": ")
}

/// Between two looks at the errors.
const LOOK: Duration = Duration::from_millis(500);

/// Between two looks at the history: all of it is read, so the pause grows with it, and judging takes a tenth of one processor at most.
const JUDGE_EVERY: Duration = Duration::from_secs(5);
const COSTS_BETWEEN: u32 = 10;

/// Units that arrive are noted down when that was answered, and may have been taken before: within all attempts of one answer.
const ON_THEIR_WAY_NS: u64 = 30_000_000_000;

/// What is looked at meanwhile.
pub(super) struct Watched<'a> {
    pub(super) meter: &'a Meter,
    pub(super) history: PathBuf,
    /// Somebody wants it to end.
    pub(super) stop: &'a CancellationToken,
}

/// Why it is over before its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Aborted(String),
    /// It proves nothing.
    Invalid(String),
}

/// Comes back with why the run is to be given up. Each reason is waited for by itself: what takes long keeps nobody from being heard.
pub(super) async fn abort(any: &[AbortWhen], watched: Watched<'_>) -> Over {
    let is_judged = any.contains(&AbortWhen::InvariantViolated);
    tokio::select! {
        biased;
        // Whether or not the file says so: whoever wants it to end wants it healed.
        () = watched.stop.cancelled() => Over::Aborted("the operator wanted it".to_owned()),
        over = judged(&watched), if is_judged => over,
        over = failed(any, watched.meter) => over,
        () = sleep(LONGEST_RUN.saturating_sub(Duration::from_nanos(watched.meter.now()))) => {
            Over::Invalid(format!("nobody comes after {}, and its schedule was not over", show(LONGEST_RUN)))
        }
    }
}

async fn failed(any: &[AbortWhen], meter: &Meter) -> Over {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let now_s = meter.now() / 1_000_000_000;
        for when in any {
            let AbortWhen::ErrorRate { above_ppm, time } = when else { continue };
            let from = now_s.saturating_sub(time.as_secs().max(1));
            // Less than the whole time is no such time.
            if now_s < time.as_secs() {
                continue;
            }
            let seen = meter.summary(None, from..now_s);
            if fails((seen.ok, seen.failed), *above_ppm) {
                let all = seen.ok + seen.failed;
                return Over::Aborted(format!("{} of {all} requests of {} s failed", seen.failed, time.as_secs()));
            }
        }
    }
}

fn fails((ok, failed): (u64, u64), above_ppm: u64) -> bool {
    failed > 0 && failed * 1_000_000 > above_ppm * (ok + failed)
}

async fn judged(watched: &Watched<'_>) -> Over {
    loop {
        let (path, now, began) = (watched.history.clone(), watched.meter.now(), Instant::now());
        let unjudged = |error: String| Over::Invalid(format!("the history cannot be judged while it is written: {error}"));
        match tokio::task::spawn_blocking(move || violated(&path, now)).await {
            Ok(Ok(None)) => {}
            Ok(Ok(Some(told))) => return Over::Aborted(told),
            Ok(Err(error)) => return unjudged(error.to_string()),
            Err(error) => return unjudged(error.to_string()),
        }
        sleep(pause(began.elapsed())).await;
    }
}

/// Until the next look at a history that took so long.
fn pause(cost: Duration) -> Duration {
    JUDGE_EVERY.max(cost * COSTS_BETWEEN)
}

/// What the lines so far prove, however the run goes on.
fn violated(path: &std::path::Path, now: u64) -> Result<Option<String>, HistoryError> {
    let history = match read_so_far(path) {
        Ok(history) => history,
        // Nobody did anything so far.
        Err(HistoryError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(so_far(history, now).map(|told| format!("{VIOLATED}{told}")))
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
    use std::fs;

    use super::*;
    use crate::history::Out;

    fn line(op: Op, id: &str, qty: u64, at: u64) -> Operation {
        let (sku, id) = ("cup".to_owned(), id.to_owned());
        Operation { client: 1, op, sku, id, qty, call: at, ret: Some(at + 1), out: Out::Ok, value: None, ver: None }
    }

    async fn over(history: PathBuf, stop: &CancellationToken, began: Instant) -> Over {
        let meter = Meter::new(began);
        abort(&[AbortWhen::InvariantViolated], Watched { meter: &meter, history, stop }).await
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

    #[test]
    fn a_history_that_takes_long_is_looked_at_less_often() {
        assert_eq!([0, 400, 2_000].map(|ms| pause(Duration::from_millis(ms)).as_secs()), [5, 5, 20]);
    }

    /// Reading this history never ends, as a very long one would seem to.
    #[tokio::test]
    async fn whoever_wants_it_to_end_is_heard_while_the_history_is_judged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (stop, of) = (CancellationToken::new(), path.clone());
        let given_up = async { over(path.clone(), &stop, Instant::now()).await };
        // The other end can be opened once somebody reads.
        let reader =
            async { tokio::task::spawn_blocking(move || fs::File::options().write(true).open(of)).await.unwrap().unwrap() };
        let stopped = async {
            let open = reader.await;
            stop.cancel();
            open
        };
        let (over, open) = tokio::join!(given_up, stopped);
        assert_eq!(over, Over::Aborted("the operator wanted it".to_owned()));
        drop(open);
    }

    #[tokio::test]
    async fn what_cannot_be_judged_and_what_outlasts_the_load_prove_nothing() {
        let (folder, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let path = folder.path().join("history.jsonl");
        let long_ago = Instant::now().checked_sub(LONGEST_RUN).unwrap();
        let Over::Invalid(why) = over(path.clone(), &stop, long_ago).await else { panic!("the load is over") };
        assert!(why.contains("nobody comes after 3h"), "{why}");
        fs::write(&path, "{}\n").unwrap();
        let Over::Invalid(why) = over(path, &stop, Instant::now()).await else { panic!("it cannot be read") };
        assert!(why.contains("cannot be judged") && why.contains("history.jsonl:1:"), "{why}");
    }
}
