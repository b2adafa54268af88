//! A failing schedule made smaller, each smaller one written down before the next is tried.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use chaos::{
    experiment::{Experiment, parse},
    fuzz::{Bounds, Candidate, Found, Progress, Shrunk, Trial, search},
    report::word,
    run::Grade,
};
use tokio::time::Instant;

use super::hunt::{Failing, Hunt, Ran};

/// What is left of a schedule that failed.
pub(super) struct Smallest {
    pub(super) seed: u64,
    pub(super) found: Found,
    /// The run in which it was found.
    pub(super) run: PathBuf,
    pub(super) of_steps: usize,
    pub(super) shrunk: Shrunk,
    /// An experiment.
    pub(super) file: PathBuf,
    /// Runs it again.
    pub(super) command: String,
}

/// What is written, and where.
struct Kept<'a> {
    experiment: &'a Experiment,
    found: &'a Found,
    file: &'a Path,
    command: &'a str,
}

impl Kept<'_> {
    /// There is a whole one at any time.
    fn write(&self, candidate: &Candidate, so_far: Progress) -> anyhow::Result<()> {
        let (seed, all, steps) = (self.experiment.seed, self.experiment.steps.len(), candidate.steps.len());
        let Found { check, what } = self.found;
        // A line of the comment each.
        let what = what.replace(['\n', '\r'], " ");
        let head = format!(
            "# It failed {check}: {steps} of the {all} steps that seed {seed} drew, after {} runs of smaller ones.\n\
             # In the run in which it was found: {what}\n\
             # Again: {}\n\n",
            so_far.runs, self.command
        );
        let text = head + &candidate.written(self.experiment)?;
        let beside = self.file.with_extension("toml.new");
        fs::write(&beside, text).and_then(|()| fs::rename(&beside, self.file)).with_context(|| self.file.display().to_string())
    }
}

impl Hunt<'_> {
    /// # Errors
    /// When nothing can be written.
    pub(super) async fn smallest(&self, failing: Failing) -> anyhow::Result<Smallest> {
        let Failing { experiment, found, run: of_run } = failing;
        let file = self.folder.join("smallest.toml");
        let command = format!("chaos run {}{}", file.display(), self.args.at.flags());
        let kept = Kept { experiment: &experiment, found: &found, file: &file, command: &command };
        let first = Candidate::of(&experiment);
        kept.write(&first, Progress::default())?;
        self.say(&format!(
            "seed {} failed {}; {} is its schedule, and gets smaller",
            experiment.seed,
            found.check,
            file.display()
        ));
        let time = Duration::from_secs(60 * self.args.shrink_minutes);
        let bounds = Bounds { tries: self.args.tries, runs: self.args.shrink_runs, until: Instant::now() + time };
        let run = async |candidate: &Candidate, so_far: Progress| {
            self.bar.set_prefix(format!("shrinking, run {}, {} steps", so_far.runs + 1, candidate.steps.len()));
            let trial = self.trial(&experiment, &found, candidate).await.unwrap_or_else(|error| {
                self.say(&format!("    not tried: {error:#}"));
                Trial::NotReady
            });
            if self.interrupts.any() && trial != Trial::Fails { Trial::Stop } else { trial }
        };
        let shrunk = search(first, bounds, run, |candidate, so_far| kept.write(candidate, so_far)).await?;
        let of_steps = experiment.steps.len();
        let seed = experiment.seed;
        Ok(Smallest { seed, found, run: of_run, of_steps, shrunk, file, command })
    }

    async fn trial(&self, experiment: &Experiment, found: &Found, candidate: &Candidate) -> anyhow::Result<Trial> {
        if self.interrupts.any() {
            return Ok(Trial::Stop);
        }
        let tried = parse("smaller.toml", &candidate.written(experiment)?, &BTreeMap::new())?;
        let Ran { run, folder, took_ms } = self.once(&tried, &self.folder.join("shrinking")).await?;
        let run = run?;
        let trial = found.again(&run);
        // It is the check that it is about which tells whether there is something to look at.
        let verdict = if trial == Trial::Holds { Grade::Pass } else { run.grade() };
        self.left(&folder, verdict);
        let said = match trial {
            Trial::Fails => "fails too",
            Trial::Holds => "does not fail",
            Trial::Invalid | Trial::NotReady | Trial::Stop => word(verdict),
        };
        let names: Vec<String> =
            candidate.steps.iter().map(|step| format!("{} at {}", step.pick.entry.name, step.pick.target)).collect();
        self.say(&format!("    {said} in {} s: {}", took_ms / 1_000, names.join(", ")));
        Ok(trial)
    }
}
