//! Trying candidates until none is smaller or the bounds are reached. Failures come and go, so a candidate gets several tries.

use serde::Serialize;
use tokio::time::Instant;

use super::{candidate::Candidate, shrink::Shrinker};

/// What one run of a candidate says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// In the same check.
    Fails,
    Holds,
    /// Nothing is proved.
    Invalid,
    /// It was not steady before anything was broken.
    NotReady,
    /// Somebody wants it to end.
    Stop,
}

/// How much may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Runs of one candidate, until one fails.
    pub tries: u32,
    /// Runs in all.
    pub runs: u32,
    /// No run begins after that.
    pub until: Instant,
}

/// Runs one after the other that were not steady: what fails has left the topology as it is.
const MOST_NOT_READY: u32 = 3;

/// Why it came to an end; as words of JSON too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// It gets no smaller.
    Smallest,
    OutOfTime,
    OutOfRuns,
    NotReady,
    Stopped,
}

/// Where it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// So far.
    pub runs: u32,
    /// Times that something smaller failed.
    pub improvements: u32,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// The smallest that failed.
    pub best: Candidate,
    pub progress: Progress,
    pub end: End,
}

/// `run` tries a candidate once; `keep` is given each smaller one that failed, before the next is tried.
///
/// # Errors
/// Those of `keep`.
pub async fn search<E>(
    failing: Candidate,
    bounds: Bounds,
    mut run: impl AsyncFnMut(&Candidate, Progress) -> Trial,
    mut keep: impl FnMut(&Candidate, Progress) -> Result<(), E>,
) -> Result<Shrunk, E> {
    let (mut shrinker, mut progress, mut not_ready) = (Shrinker::new(failing), Progress::default(), 0);
    let end = 'all: loop {
        let Some(candidate) = shrinker.ask().cloned() else { break End::Smallest };
        let mut fails = false;
        for _ in 0..bounds.tries {
            if progress.runs >= bounds.runs {
                break 'all End::OutOfRuns;
            }
            if Instant::now() >= bounds.until {
                break 'all End::OutOfTime;
            }
            let trial = run(&candidate, progress).await;
            progress.runs += 1;
            not_ready = if trial == Trial::NotReady { not_ready + 1 } else { 0 };
            match trial {
                Trial::Fails => fails = true,
                Trial::Stop => break 'all End::Stopped,
                Trial::NotReady if not_ready >= MOST_NOT_READY => break 'all End::NotReady,
                Trial::Holds | Trial::Invalid | Trial::NotReady => {}
            }
            if fails {
                break;
            }
        }
        shrinker.tell(fails);
        if fails {
            progress.improvements += 1;
            keep(shrinker.best(), progress)?;
        }
    };
    Ok(Shrunk { best: shrinker.best().clone(), progress, end })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, convert::Infallible, time::Duration};

    use super::*;
    use crate::drill::Drill;

    fn failing() -> Candidate {
        Candidate::of(&Drill::named("adversity-ladder").unwrap().experiment(&BTreeMap::new()).unwrap())
    }

    fn bounds() -> Bounds {
        Bounds { tries: 2, runs: 1_000, until: Instant::now() + Duration::from_secs(3_600) }
    }

    async fn searched(bounds: Bounds, run: impl AsyncFnMut(&Candidate, Progress) -> Trial) -> (Shrunk, Vec<Candidate>) {
        let mut kept = Vec::new();
        let keep = |candidate: &Candidate, _| {
            kept.push(candidate.clone());
            Ok::<(), Infallible>(())
        };
        let shrunk = search(failing(), bounds, run, keep).await.unwrap();
        (shrunk, kept)
    }

    #[tokio::test]
    async fn what_fails_every_other_time_is_found_with_two_tries_and_kept_each_time() {
        let last = failing().steps.last().unwrap().pick.clone();
        let mut nth = 0;
        let every_other = async |candidate: &Candidate, _| {
            nth += 1;
            let has = candidate.steps.iter().any(|step| (step.pick.entry, &step.pick.target) == (last.entry, &last.target));
            if has && nth % 2 == 0 { Trial::Fails } else { Trial::Holds }
        };
        let (shrunk, kept) = searched(bounds(), every_other).await;
        assert_eq!((shrunk.end, shrunk.best.steps.len()), (End::Smallest, 1));
        assert_eq!((kept.last(), kept.len()), (Some(&shrunk.best), usize::try_from(shrunk.progress.improvements).unwrap()));
    }

    #[tokio::test]
    async fn bounds_end_it_with_what_was_found() {
        let (few, kept) = searched(Bounds { runs: 3, ..bounds() }, async |_, _| Trial::Fails).await;
        assert_eq!((few.end, few.progress, kept.len()), (End::OutOfRuns, Progress { runs: 3, improvements: 3 }, 3));
        assert_eq!(kept.last(), Some(&few.best));
        let (late, _) = searched(Bounds { until: Instant::now(), ..bounds() }, async |_, _| Trial::Fails).await;
        assert_eq!((late.end, late.progress.runs, late.best), (End::OutOfTime, 0, failing()));
        let (stopped, _) = searched(bounds(), async |_, so_far: Progress| match so_far.runs {
            0 => Trial::Fails,
            _ => Trial::Stop,
        })
        .await;
        assert_eq!((stopped.end, stopped.progress.improvements), (End::Stopped, 1));
    }

    #[tokio::test]
    async fn what_proves_nothing_is_no_failure_and_what_is_never_steady_ends_it() {
        let (invalid, kept) = searched(bounds(), async |_, _| Trial::Invalid).await;
        assert_eq!((invalid.end, invalid.best, kept.len()), (End::Smallest, failing(), 0));
        let (never, _) = searched(bounds(), async |_, _| Trial::NotReady).await;
        assert_eq!((never.end, never.progress.runs), (End::NotReady, MOST_NOT_READY));
    }
}
