//! One step: resolved, injected, proved, held and healed.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
    time::Duration,
};

use deploy_api::ProcessKind;
use tokio::{
    io::{AsyncBufRead, AsyncBufReadExt, BufReader, Lines, Stdin},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    experiment::{Experiment, Step, show},
    fault::{Injected, Injector, Proof, Snapshot, plan},
    run::Fault,
    workload::Meter,
};

/// How long a target is waited for: nobody leads during an election.
const RESOLVES_WITHIN: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(100);

/// Who decides when the next thing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Schedule,
    /// Somebody at the terminal: Enter breaks, Enter heals.
    Human,
}

/// What happens, as it happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Gate { window: Duration },
    Steady,
    Next { what: String },
    Injected { what: String },
    Proved { what: String, because: String },
    Missed { what: String, because: String },
    Healed { what: String },
    Recovering { within: Duration },
    Again,
    GivenUp { why: String },
    Unhealed { why: String },
    Looking,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gate { window } => write!(f, "waiting for {} in the steady state", show(*window)),
            Self::Steady => f.write_str("steady; the schedule begins"),
            Self::Next { what } => write!(f, "next: {what}; press Enter to go on"),
            Self::Injected { what } => write!(f, "{what}"),
            Self::Proved { what, because } => write!(f, "{what} took effect: {because}"),
            Self::Missed { what, because } => write!(f, "{what} DID NOT TAKE EFFECT: {because}"),
            Self::Healed { what } => write!(f, "{what} is healed"),
            Self::Recovering { within } => write!(f, "everything is healed; it has to be steady again within {}", show(*within)),
            Self::Again => f.write_str("steady again"),
            Self::GivenUp { why } => write!(f, "given up: {why}; healing"),
            Self::Unhealed { why } => write!(f, "NOT EVERYTHING IS HEALED: {why}; `chaos heal --all` tries again"),
            Self::Looking => f.write_str("looking up what became of every order and every unit"),
        }
    }
}

/// What all steps share.
pub(super) struct Stage<'a> {
    pub(super) experiment: &'a Experiment,
    pub(super) injector: &'a Injector,
    pub(super) meter: &'a Meter,
    pub(super) tell: &'a (dyn Fn(&Event) + Sync),
    pub(super) pace: Pace,
    faults: Mutex<Vec<Fault>>,
    steady_ms: OnceLock<u64>,
    keys: tokio::sync::Mutex<Option<Lines<BufReader<Stdin>>>>,
}

impl<'a> Stage<'a> {
    pub(super) fn new(
        (experiment, injector, meter): (&'a Experiment, &'a Injector, &'a Meter),
        pace: Pace,
        tell: &'a (dyn Fn(&Event) + Sync),
    ) -> Self {
        let keys = (pace == Pace::Human).then(|| BufReader::new(tokio::io::stdin()).lines());
        Self {
            experiment,
            injector,
            meter,
            tell,
            pace,
            faults: Mutex::default(),
            steady_ms: OnceLock::new(),
            keys: tokio::sync::Mutex::new(keys),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut Vec<Fault>) -> T) -> T {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.meter.now() / 1_000_000
    }

    /// The gate is open: it was steady from then on.
    pub(super) fn was_steady(&self, from_ms: u64) {
        let _ = self.steady_ms.set(from_ms);
    }

    pub(super) fn steady_ms(&self) -> Option<u64> {
        self.steady_ms.get().copied()
    }

    /// The faults in order; what is still open ends now.
    pub(super) fn close(&self) -> Vec<Fault> {
        let now_ms = self.now_ms();
        self.with(|faults| {
            faults.iter_mut().filter(|fault| fault.to_ms.is_none()).for_each(|fault| fault.to_ms = Some(now_ms));
            faults.sort_by_key(|fault| fault.from_ms);
            faults.clone()
        })
    }

    /// Whoever is at the terminal says when.
    ///
    /// # Errors
    /// Nobody is there.
    async fn wait(&self, what: &str) -> Result<(), String> {
        if let Some(keys) = self.keys.lock().await.as_mut() {
            (self.tell)(&Event::Next { what: what.to_owned() });
            enter(keys, what).await?;
        }
        Ok(())
    }

    /// # Errors
    /// Why the run proves nothing.
    pub(super) async fn step(&self, nth: usize, step: &Step, began: Instant) -> Result<(), String> {
        let pick = &step.pick;
        let wanted = format!("{} at {}", pick.entry.name, pick.target);
        match self.pace {
            Pace::Schedule => sleep_until(began + step.at).await,
            Pace::Human => self.wait(&format!("{wanted} ({})", pick.entry.about)).await?,
        }
        let seed = step.draws_by(self.experiment, nth);
        let (targets, snapshot) = self.resolve(step, seed).await.map_err(|why| format!("{wanted}: {why}"))?;
        let what = format!("{} at {}", pick.entry.name, targets.join(", "));
        let failed = |error: anyhow::Error| format!("{what} could not be injected: {error:#}");
        let action = plan(pick.fault, &targets, &snapshot).map_err(|error| failed(error.into()))?;
        let id = format!("{}-{nth}", self.experiment.name);
        let injected = self.injector.inject(&id, action, self.experiment.abort.lease).await.map_err(failed)?;
        (self.tell)(&Event::Injected { what: what.clone() });
        let index = self.note(pick.entry.name, &targets, &snapshot, &injected);
        let mut proved = self.prove(&what, index, &injected).await;
        if proved.is_ok() {
            match self.pace {
                Pace::Schedule => sleep_until(injected.began() + pick.time).await,
                Pace::Human => proved = self.wait(&format!("{what} is healed")).await,
            }
        }
        let was_there = injected.heal().await.map_err(|error| format!("{what} could not be healed: {error:#}"))?;
        let now_ms = self.now_ms();
        self.with(|faults| faults[index].to_ms = Some(now_ms));
        (self.tell)(&Event::Healed { what: what.clone() });
        match was_there {
            true => proved,
            false => Err(format!("{what} ended before its time: its lease was not renewed")),
        }
    }

    async fn resolve(&self, step: &Step, seed: u64) -> Result<(Vec<String>, Snapshot), String> {
        let until = Instant::now() + RESOLVES_WITHIN;
        loop {
            let found = match self.injector.snapshot().await {
                Ok(snapshot) => match step.pick.target.resolve(&snapshot, seed) {
                    Ok(targets) => return Ok((targets, snapshot)),
                    Err(error) => error.to_string(),
                },
                Err(error) => format!("{error:#}"),
            };
            if Instant::now() > until {
                return Err(found);
            }
            sleep(LOOK).await;
        }
    }

    fn note(&self, name: &str, targets: &[String], snapshot: &Snapshot, injected: &Injected) -> usize {
        let at = targets.iter().filter_map(|name| snapshot.process(name));
        let edges: BTreeSet<String> =
            at.filter(|process| process.kind == ProcessKind::Edge).map(|process| process.region.clone()).collect();
        let fault = Fault {
            name: name.to_owned(),
            target: targets.join(", "),
            from_ms: self.meter.ms_at(injected.began()),
            without: edges.into_iter().collect(),
            ..Fault::default()
        };
        self.with(|faults| {
            faults.push(fault);
            faults.len() - 1
        })
    }

    async fn prove(&self, what: &str, index: usize, injected: &Injected) -> Result<(), String> {
        let (proved, because) = match injected.proof().await {
            Ok(Proof::Bit(because)) => (true, because),
            Ok(Proof::Missed(because)) => (false, because),
            Err(error) => (false, format!("{error:#}")),
        };
        let what = what.to_owned();
        if proved {
            self.with(|faults| faults[index].proof = Some(because.clone()));
            (self.tell)(&Event::Proved { what, because });
            return Ok(());
        }
        (self.tell)(&Event::Missed { what: what.clone(), because: because.clone() });
        Err(format!("{what} did not take effect: {because}"))
    }
}

/// Until somebody presses Enter.
///
/// # Errors
/// Nobody is there.
async fn enter(keys: &mut Lines<impl AsyncBufRead + Unpin>, what: &str) -> Result<(), String> {
    match keys.next_line().await {
        Ok(Some(_)) => Ok(()),
        _ => Err(format!("nobody is at the terminal to say when: {what}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_enter_is_one_step_and_the_end_of_what_is_typed_is_none() {
        let mut keys = BufReader::new(&b"\nyes\n"[..]).lines();
        assert_eq!(enter(&mut keys, "first").await, Ok(()));
        assert_eq!(enter(&mut keys, "second").await, Ok(()));
        let why = enter(&mut keys, "process.kill at leader").await.unwrap_err();
        assert_eq!(why, "nobody is at the terminal to say when: process.kill at leader");
    }
}
