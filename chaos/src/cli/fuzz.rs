//! `chaos fuzz`: schedules by seed until one fails, then the smallest one that still does.

mod hunt;
mod shrink;
mod tell;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use chaos::{
    audit::topology_file,
    drill::{Drill, Folder},
    experiment::{Experiment, Wrong, parse, read, time},
    fuzz::{DrawError, Drawn, Found, pinned},
    run::{Grade, Run},
};
use clap::Args;

use self::hunt::{Failing, Hunt};
use super::{
    Output,
    check::exit_code,
    interrupts::Interrupts,
    stage::{At, Launched},
};

/// What is drawn from unless a base is given, and for how long: some five faults a run, and a run a minute and a half, gate and proof
/// included.
const BASE: &str = "everything";
const BASE_TIME: Duration = Duration::from_secs(40);
const BASE_EVERY: Duration = Duration::from_secs(6);

/// TOML's numbers are signed, and the seeds of all runs and steps follow each other.
const MOST_SEED: u64 = 1 << 62;

#[derive(Args)]
pub(crate) struct FuzzArgs {
    #[command(flatten)]
    at: At,
    /// How long runs begin, one after the other; the one that goes on then is brought to its end
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1_440))]
    minutes: u64,
    /// Draws the first schedule; each next run has the next seed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=MOST_SEED))]
    seed: u64,
    /// At most so many runs
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// An experiment with [random], or the name of such a drill: its load, steady state and expectations, its own steps, and faults to draw
    /// from, whose `for` and `set` are the most that is drawn; without it, the drill `everything`
    #[arg(long)]
    base: Option<PathBuf>,
    /// run.json of a run that failed: nothing is drawn, its schedule is made smaller
    #[arg(long, conflicts_with_all = ["base", "minutes", "seed", "runs", "time", "every", "overlap"])]
    from: Option<PathBuf>,
    /// How long faults go on in each run, in place of `for` in [random]; without a base, 40s
    #[arg(long = "for", value_parser = some_time)]
    time: Option<Duration>,
    /// Longest time from one fault to the next, in place of `every` in [random]; without a base, 6s
    #[arg(long, value_parser = time)]
    every: Option<Duration>,
    /// A fault may begin before the one before it is healed. More runs are INVALID then: who is dead cannot be paused
    #[arg(long)]
    overlap: bool,
    /// How long a failing schedule is made smaller; 0: not at all
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(0..=1_440))]
    shrink_minutes: u64,
    /// Runs that may take at most
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    shrink_runs: u32,
    /// Runs of each smaller schedule until it is believed to be harmless: failures come and go
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=10))]
    tries: u32,
    /// Keep the folders of runs that passed, too
    #[arg(long)]
    keep: bool,
    /// Below which the folder of all this is made; without it, target/chaos
    #[arg(long)]
    out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

fn some_time(text: &str) -> Result<Duration, String> {
    match time(text).map_err(|error| error.to_string())? {
        Duration::ZERO => Err("it is longer than nothing".to_owned()),
        time => Ok(time),
    }
}

/// Where the schedule that fails comes from.
enum Source {
    Seeds(Box<Drawn>),
    Run(Box<Failing>),
}

impl Source {
    fn base(&self) -> &Experiment {
        match self {
            Self::Seeds(drawn) => drawn.base(),
            Self::Run(failing) => &failing.experiment,
        }
    }
}

pub(crate) async fn run(args: FuzzArgs) -> anyhow::Result<ExitCode> {
    let source = match (&args.from, drawn(&args)) {
        (Some(from), _) => Source::Run(Box::new(failed(from)?)),
        (None, Ok(drawn)) => Source::Seeds(Box::new(drawn)),
        (None, Err(error)) => {
            eprintln!("error: {error}");
            return Ok(ExitCode::from(2));
        }
    };
    let launched = args.at.open(source.base()).await?;
    let grade = found(&args, source, &launched).await;
    // What was started is stopped also where nothing came of it.
    launched.close().await?;
    Ok(exit_code(grade?))
}

fn drawn(args: &FuzzArgs) -> Result<Drawn, DrawError> {
    let (base, time, every) = match &args.base {
        Some(base) => (based_on(base)?, args.time, args.every),
        None => (based_on(Path::new(BASE))?, args.time.or(Some(BASE_TIME)), args.every.or(Some(BASE_EVERY))),
    };
    Drawn::from(base, (time, every), args.overlap)
}

fn based_on(base: &Path) -> Result<Experiment, Wrong> {
    match base.to_str().and_then(Drill::named) {
        Some(drill) => drill.experiment(&BTreeMap::new()),
        None => read(base, &BTreeMap::new()),
    }
}

/// What a run failed by, and its schedule.
fn failed(file: &Path) -> anyhow::Result<Failing> {
    let (run, name) = (Run::read(file)?, file.display().to_string());
    let found = Found::worst(&run).with_context(|| format!("{name} did not fail, so there is nothing to make smaller"))?;
    let text = run.experiment.with_context(|| format!("{name} is no run of an experiment"))?;
    let experiment = Experiment { seed: run.seed, ..parse(&name, &text, &BTreeMap::new())? };
    let folder = std::path::absolute(file)?.parent().map(Path::to_owned).unwrap_or_default();
    Ok(Failing { experiment: pinned(&experiment)?, found, run: folder })
}

async fn found(args: &FuzzArgs, source: Source, launched: &Launched) -> anyhow::Result<Grade> {
    // target/deploy/NAME/topology.json
    let beside = || topology_file("").ancestors().nth(2).map(|target| target.join("chaos"));
    let below = args.out.clone().or_else(beside).unwrap_or_else(|| PathBuf::from("chaos-runs"));
    let base = source.base().name.clone();
    let named = Experiment { name: format!("fuzz-{base}"), ..source.base().clone() };
    let folder = Folder::make(&below, &named)?;
    let interrupts = Interrupts::heard()?;
    let mut hunt = Hunt::new(args, launched, folder.path(), &interrupts)?;
    let failing = match source {
        Source::Seeds(drawn) => hunt.until_it_fails(&drawn).await?,
        Source::Run(failing) => Some(*failing),
    };
    let smallest = match failing {
        Some(failing) => Some(hunt.smallest(failing).await?),
        None => None,
    };
    let grade = match smallest {
        Some(_) => Grade::Fail,
        None if interrupts.any() => Grade::Aborted,
        None => hunt.tally.grade(),
    };
    tell::end(&hunt, &base, grade, smallest.as_ref())?;
    Ok(grade)
}
