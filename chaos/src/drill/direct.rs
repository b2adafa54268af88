//! The course of a run: the gate, the schedule, the recovery; or that it is given up.

use std::path::PathBuf;

use futures_util::future::try_join_all;
use tokio::time::{Duration, Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{
    abort::{Over, Watched, abort},
    stage::{Event, Pace, Stage},
    steady::{summary, window, wrong},
};
use crate::{
    check::{Outcome, Verdict, Violation},
    run::Fault,
    workload::Sale,
};

const LOOK: Duration = Duration::from_millis(500);

/// What is said of the steady state in the end.
pub(crate) const STEADY_AGAIN: &str = "steady_again";

/// How it went.
pub(super) struct Directed {
    pub(super) faults: Vec<Fault>,
    /// From when on it was steady before.
    pub(super) steady_ms: Option<u64>,
    pub(super) steady_again: Option<Verdict>,
    pub(super) invalid: Option<String>,
    /// What was broken could not be healed.
    pub(super) unhealed: Option<String>,
    pub(super) aborted: Option<String>,
}

/// `stop`: somebody wants it to end.
pub(super) async fn direct(stage: &Stage<'_>, sale: Option<&Sale>, history: PathBuf, stop: &CancellationToken) -> Directed {
    let watched = Watched { meter: stage.meter, history, stop };
    let (mut invalid, mut aborted, mut steady_again, mut unhealed) = (None, None, None, None);
    tokio::select! {
        course = course(stage, sale) => match course {
            Ok(verdict) => steady_again = Some(verdict),
            Err(why) => invalid = Some(why),
        },
        over = abort(&stage.experiment.abort.any, watched) => match over {
            Over::Aborted(why) => aborted = Some(why),
            Over::Invalid(why) => invalid = Some(why),
        },
    }
    if let Some(why) = invalid.as_ref().or(aborted.as_ref()) {
        (stage.tell)(&Event::GivenUp { why: why.clone() });
        // What the schedule had begun is nobody's any more.
        unhealed = stage.injector.heal_all().await.err().map(|error| format!("{error:#}"));
        unhealed.iter().for_each(|why| (stage.tell)(&Event::Unhealed { why: why.clone() }));
    }
    Directed { faults: stage.close(), steady_ms: stage.steady_ms(), steady_again, invalid, unhealed, aborted }
}

/// # Errors
/// Why the run proves nothing.
async fn course(stage: &Stage<'_>, sale: Option<&Sale>) -> Result<Verdict, String> {
    let steady = &stage.experiment.steady;
    (stage.tell)(&Event::Gate { window: steady.window });
    let found_ms = is_steady(stage, 0, steady.gate_within())
        .await
        .map_err(|wrong| format!("it was not steady before anything was broken: {}", wrong.join("; ")))?;
    stage.was_steady(found_ms);
    if let Some(sale) = sale {
        sale.open().await.map_err(|error| format!("the sale did not open: {error:#}"))?;
    }
    (stage.tell)(&Event::Steady);
    let (began, schedule) = (Instant::now(), stage.experiment.schedule());
    match stage.pace {
        Pace::Human => {
            for (nth, step) in schedule.iter().enumerate() {
                stage.step(nth, step, began).await?;
            }
        }
        Pace::Schedule => {
            let steps = schedule.iter().enumerate().map(|(nth, step)| stage.step(nth, step, began));
            try_join_all(steps).await?;
        }
    }
    let healed_ms = stage.now_ms();
    (stage.tell)(&Event::Recovering { within: steady.again_within });
    tokio::time::sleep_until(began + stage.experiment.load.sale_time()).await;
    Ok(match is_steady(stage, healed_ms, steady.recovery_within()).await {
        Ok(_) => {
            (stage.tell)(&Event::Again);
            let took = stage.now_ms().saturating_sub(healed_ms);
            Verdict::new(
                STEADY_AGAIN,
                Outcome::Pass,
                format!("a whole window was steady {took} ms after the last heal"),
                Vec::new(),
            )
        }
        Err(wrong) => {
            let violations = wrong.into_iter().map(|what| Violation { what, operations: Vec::new() }).collect();
            Verdict::new(STEADY_AGAIN, Outcome::Fail, "it was not steady again in time".to_owned(), violations)
        }
    })
}

/// Until a whole window since then is steady: when that began.
async fn is_steady(stage: &Stage<'_>, since_ms: u64, within: Duration) -> Result<u64, Vec<String>> {
    let (steady, until) = (&stage.experiment.steady, Instant::now() + within);
    let mut last = vec!["no whole window was over".to_owned()];
    loop {
        let mut began = 0;
        if let Some(seconds) = window(steady, since_ms, stage.now_ms()) {
            let level = if steady.replicas_level { stage.injector.level().await } else { Ok(()) };
            began = seconds.start * 1_000;
            last = wrong(steady, &summary(stage.meter, &seconds), level);
        }
        if last.is_empty() {
            return Ok(began);
        }
        if Instant::now() > until {
            return Err(last);
        }
        sleep(LOOK).await;
    }
}
