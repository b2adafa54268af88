//! Many seeds, each in a process of its own, so that every run is the first of its process and can be had again exactly.

use std::{
    process::{Command, ExitCode, Stdio},
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use inventory_simulation::Report;

use crate::cli::Cli;

/// Which seed comes next, and whether any should.
struct Queue {
    next: AtomicU64,
    end: u64,
    deadline: Option<Instant>,
    is_over: AtomicBool,
}

impl Queue {
    fn take(&self) -> Option<u64> {
        let is_late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if is_late || self.is_over.load(Ordering::SeqCst) {
            return None;
        }
        let seed = self.next.fetch_add(1, Ordering::SeqCst);
        (seed < self.end).then_some(seed)
    }
}

#[derive(Default)]
struct Sums {
    seeds: u64,
    operations: usize,
    entries: usize,
    leaders: usize,
    crashes: u64,
    lasted: Duration,
}

impl Sums {
    fn add(&mut self, report: &Report) {
        self.seeds += 1;
        self.operations += report.operations;
        self.entries += report.entries;
        self.leaders += report.leaders;
        self.crashes += report.crashes;
        self.lasted += report.lasted;
    }
}

/// Runs the seeds that were asked for. Fails with the first that found something.
pub(crate) fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let deadline = cli.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let queue = Queue { next: cli.first.into(), end: cli.first + cli.seeds, deadline, is_over: false.into() };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let jobs = cli.jobs.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or(cores);
    let progress = progress(cli);
    let (mut sums, mut failed) = (Sums::default(), None::<Report>);
    thread::scope(|scope| {
        let (reports, found) = mpsc::channel();
        for _ in 0..jobs {
            let (reports, queue) = (reports.clone(), &queue);
            scope.spawn(move || {
                while let Some(seed) = queue.take() {
                    // The receiver stays until every sender is gone.
                    let _ = reports.send(one(cli, seed));
                }
            });
        }
        drop(reports);
        for report in found {
            let report = report.inspect_err(|_| queue.is_over.store(true, Ordering::SeqCst))?;
            progress.inc(1);
            sums.add(&report);
            if report.violation.is_some() {
                queue.is_over.store(true, Ordering::SeqCst);
                failed = failed.take().filter(|known| known.seed < report.seed).or(Some(report));
            }
        }
        anyhow::Ok(())
    })?;
    progress.finish_and_clear();
    Ok(tell(cli, &sums, failed))
}

fn progress(cli: &Cli) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {elapsed}, {eta} left");
    let bar = if cli.trace { ProgressBar::hidden() } else { ProgressBar::new(cli.seeds) };
    style.map_or(bar.clone(), |style| bar.with_style(style))
}

/// Runs a seed in a process of its own.
fn one(cli: &Cli, seed: u64) -> anyhow::Result<Report> {
    let program = std::env::current_exe().context("this program does not know where it lies")?;
    let mut command = Command::new(program);
    command.arg(format!("--one={seed}")).args(cli.passed_on()).stdin(Stdio::null()).stderr(Stdio::inherit());
    if cli.trace {
        command.arg("--trace");
    }
    let output = command.output().with_context(|| format!("seed {seed} cannot be run"))?;
    if !output.status.success() {
        bail!("the process of seed {seed} broke down: {}", output.status);
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("seed {seed} told nothing that can be read"))
}

fn tell(cli: &Cli, sums: &Sums, failed: Option<Report>) -> ExitCode {
    let Sums { seeds, operations, entries, leaders, crashes, lasted } = sums;
    println!(
        "{seeds} seeds, {:.0} simulated seconds: {operations} operations, {entries} entries, {leaders} leaders, {crashes} crashes",
        lasted.as_secs_f64()
    );
    let Some(failed) = failed else {
        println!("nothing was found");
        return ExitCode::SUCCESS;
    };
    println!("seed {} after {:.3} s: {}", failed.seed, failed.lasted.as_secs_f64(), failed.violation.unwrap_or_default());
    println!("trace {}; the same again, with what happened:", failed.trace);
    let passed = cli.passed_on().join(" ");
    // A seed is another run in a build that draws in another order.
    let profile = if cfg!(debug_assertions) && option_env!("OPT_LEVEL") == Some("2") { "--profile soak " } else { "" };
    println!("  cargo run {profile}-p inventory-simulation -- --seeds 1 --first {} --trace {passed}", failed.seed);
    ExitCode::FAILURE
}
