//! One run after the other, until one fails or the time is over.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chaos::{
    drill::{Event, Folder, Pace, Setting, run as carry_out},
    experiment::Experiment,
    fuzz::{Drawn, Found, Row, Tally},
    report::word,
    run::{Grade, Run},
};
use indicatif::{ProgressBar, ProgressStyle};

use super::FuzzArgs;
use crate::cli::{Output, interrupts::Interrupts, stage::Launched};

/// Runs one after the other in which nothing could be broken: the next ones do no better.
const MOST_NOT_READY: u32 = 3;

/// The load itself being so late, its clients and the system waited for a processor, not for each other.
const BUSY_MS: u64 = 200;

const FRAME: Duration = Duration::from_millis(250);

/// What all runs share.
pub(super) struct Hunt<'a> {
    pub(super) args: &'a FuzzArgs,
    pub(super) launched: &'a Launched,
    /// Everything lies there.
    pub(super) folder: &'a Path,
    pub(super) interrupts: &'a Interrupts,
    pub(super) bar: ProgressBar,
    pub(super) began: Instant,
    pub(super) tally: Tally,
}

/// A schedule that failed, and the run in which it did.
pub(super) struct Failing {
    pub(super) experiment: Experiment,
    pub(super) found: Found,
    pub(super) run: PathBuf,
}

/// A run, or why there was none, and where it is.
pub(super) struct Ran {
    pub(super) run: anyhow::Result<Run>,
    pub(super) folder: Folder,
    pub(super) took_ms: u64,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(
        args: &'a FuzzArgs,
        launched: &'a Launched,
        folder: &'a Path,
        interrupts: &'a Interrupts,
    ) -> anyhow::Result<Self> {
        let bar = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {prefix}: {wide_msg}")?);
        bar.enable_steady_tick(FRAME);
        Ok(Self { args, launched, folder, interrupts, bar, began: Instant::now(), tally: Tally::default() })
    }

    /// A line that stays.
    pub(super) fn say(&self, line: &str) {
        self.bar.suspend(|| match self.args.output {
            Output::Json => eprintln!("{line}"),
            Output::Table => println!("{line}"),
        });
    }

    /// # Errors
    /// When nothing can be run at all, or be written.
    pub(super) async fn until_it_fails(&mut self, drawn: &Drawn) -> anyhow::Result<Option<Failing>> {
        let time = Duration::from_secs(60 * self.args.minutes);
        let mut not_ready = 0;
        for nth in 0..self.args.runs {
            let left = time.saturating_sub(self.began.elapsed());
            if left.is_zero() || self.interrupts.any() {
                break;
            }
            let experiment = drawn.experiment(self.args.seed + u64::from(nth))?;
            self.bar.set_prefix(self.prefix(nth, experiment.seed, left));
            let Ran { run, folder, took_ms } = self.once(&experiment, self.folder).await?;
            if nth == 0 && run.is_err() {
                return run.map(|_| None);
            }
            let mut row = Row::of(&experiment, run.as_ref().map_err(|error| format!("{error:#}")), took_ms);
            row.folder = self.left(&folder, row.verdict);
            self.say(&line(&row, experiment.steps.len()));
            not_ready = if run.as_ref().is_ok_and(|run| !run.faults.is_empty()) { 0 } else { not_ready + 1 };
            self.tally.rows.push(row);
            if let Some(found) = run.as_ref().ok().and_then(Found::worst) {
                return Ok(Some(Failing { experiment, found, run: folder.path().to_owned() }));
            }
            if not_ready >= MOST_NOT_READY && !self.interrupts.any() {
                self.say(&format!("nothing could be broken {not_ready} times in a row: given up"));
                break;
            }
        }
        Ok(None)
    }

    fn prefix(&self, nth: u32, seed: u64, left: Duration) -> String {
        let (passed, invalid) = (self.tally.count(Grade::Pass), self.tally.count(Grade::Invalid));
        let minutes = left.as_secs().div_ceil(60);
        format!("run {}, seed {seed} ({passed} PASS, {invalid} INVALID so far, {minutes} min left)", nth + 1)
    }

    /// # Errors
    /// When the folder of the run cannot be made.
    pub(super) async fn once(&self, experiment: &Experiment, below: &Path) -> anyhow::Result<Ran> {
        let folder = Folder::make(below, experiment)?;
        let command = format!("chaos run {}", folder.path().join("experiment.toml").display());
        let tell = |event: &Event| self.bar.set_message(event.to_string());
        let setting = Setting {
            topology_file: self.launched.topology_file(),
            folder: &folder,
            pace: Pace::Schedule,
            command: &command,
            stop: self.interrupts.first(),
        };
        let began = Instant::now();
        let run = carry_out(experiment, setting, &tell).await;
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Ran { run, folder, took_ms })
    }

    /// A night of runs fills a disk: those that passed are the same again by their seed.
    pub(super) fn left(&self, folder: &Folder, verdict: Grade) -> Option<String> {
        if verdict == Grade::Pass && !self.args.keep {
            // What cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(folder.path());
            return None;
        }
        Some(folder.path().display().to_string())
    }
}

fn line(row: &Row, steps: usize) -> String {
    let late = if row.late_ms > BUSY_MS {
        format!("; this machine was too busy: the load itself was late by up to {} ms", row.late_ms)
    } else {
        String::new()
    };
    let why = if row.verdict == Grade::Pass { String::new() } else { format!(": {}{late}", row.why) };
    let (took, faults) = (row.took_ms / 1_000, row.took_effect.join(", "));
    let faults = if faults.is_empty() { "nothing".to_owned() } else { faults };
    let effect = row.took_effect.len();
    format!("seed {}: {} in {took} s{why}\n    {effect} of {steps} faults took effect: {faults}", row.seed, word(row.verdict))
}
