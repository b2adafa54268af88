//! The command line: one file for each subcommand.

mod abort;
mod audit;
mod check;
mod doctor;
mod drill;
mod explain;
mod fuzz;
mod heal;
mod inject;
mod interrupts;
mod kubernetes;
mod list;
mod load;
mod report;
mod serve;
mod stage;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};
use deploy_api::Topology;

/// Break a storefront, practise failover, and prove that nothing was oversold and no order was lost.
#[derive(Parser)]
#[command(name = "chaos", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the inventory's state with PostgreSQL, for every SKU and every order
    ///
    /// It may run while orders are taken: orders that look wrong are looked at again, and SKUs whose stock changes meanwhile are left out of the
    /// sums, and counted.
    ///
    /// Exit codes: 0 both agree, 1 the audit could not run, 2 wrong usage, 4 they differ; each difference is named.
    Audit(audit::AuditArgs),
    /// Judge a recorded history
    ///
    /// Exit codes: 0 every check holds, 1 a file could not be read, 2 wrong usage, 4 a check is violated, 5 nothing is violated and not
    /// everything could be decided.
    Check(check::CheckArgs),
    /// Shoppers and clients of the inventory on a running topology, recorded and judged
    ///
    /// Exit codes: as of `check`.
    Load(load::LoadArgs),
    /// Make a page, JUnit or JSON from a run
    Report(report::ReportArgs),
    /// Compare two runs
    ///
    /// Exit codes: 0 nothing that held is violated, 1 a file could not be read, 2 wrong usage, 4 a check that held does not any more.
    Diff(report::DiffArgs),
    /// Try what this machine and a topology can be broken with
    ///
    /// Exit codes: 0 every fault that needs no topology can be injected, 1 not so.
    Doctor(Of),
    /// Show every fault with its parameters, and what is broken now
    List(list::ListArgs),
    /// Break something for a while, prove that it took effect, and heal it
    ///
    /// It heals at the end, at Ctrl-C, and by itself, within the lease, when this program is killed.
    ///
    /// Exit codes: 0 it took effect and is healed, 1 it could not be injected or healed, 2 wrong usage, 3 it was injected and did not take effect.
    Inject(inject::InjectArgs),
    /// Heal what is broken, whoever broke it
    Heal(heal::HealArgs),
    /// Watch a topology: members, terms, lag, throughput, errors, faults
    ///
    /// In a terminal a screen, `q` ends it; in a pipe one frame a second. Nothing that is dead, stopped or cut off holds it up.
    ///
    /// Exit codes: 0 ended as asked, 1 there is no such topology, 2 wrong usage, 3 with --once: something is not as it should be.
    Watch(watch::WatchArgs),
    /// Show what is seen, and run one drill at a time, for operators at the edges' admin ports
    Serve(serve::ServeArgs),
    /// What a fault, a drill or an experiment does and expects, in words
    Explain(explain::ExplainArgs),
    /// Resolve an experiment's targets as they are now; nothing is done
    ///
    /// Exit codes: 0 every step is possible now, 1 one is not, 2 the file is wrong (it says where).
    Plan(explain::PlanArgs),
    /// Run an experiment: the steady state, the faults under load, the recovery, and the proof of what became of every order
    ///
    /// Faults heal at the end, at Ctrl-C and `chaos abort`, and by themselves when this program is killed. It leaves a folder with the report
    /// (report.html, run.json, junit.xml), both histories and the experiment.
    ///
    /// Exit codes: 0 PASS: every check holds; 1 it could not be run; 2 wrong usage, or the file is wrong (it says where); 4 FAIL: a check is
    /// violated; 5 INVALID: nothing is proved, because a fault did not take effect, it was not steady before, or a check had nothing to decide
    /// by; 6 ABORTED: it was given up and healed.
    Run(drill::RunArgs),
    /// Practise one of the drills that come with the program; each has a runbook in docs/runbooks
    ///
    /// Exit codes: as of `run`.
    Drill(drill::DrillArgs),
    /// Draw schedules of faults by seed and run them until one fails, then find the smallest that still does
    ///
    /// Each run is an experiment, with load and all checks. When one fails, smaller ones are tried (fewer steps, shorter, sooner, milder, fewer
    /// shoppers); the smallest that fails in the same check is an experiment file, smallest.toml in the folder that is named, which has the seed
    /// and goes with `chaos run`. Ctrl-C heals and ends it, and that file stays.
    ///
    /// Exit codes: 0 nothing failed, and at least one run proved it; 1 it could not be run; 2 wrong usage, or the base is wrong (it says
    /// where); 4 a schedule failed, its file is named; 5 no run proved anything; 6 it was given up before anything failed.
    Fuzz(fuzz::FuzzArgs),
    /// Repeat a run: the same experiment, seed and schedule
    ///
    /// Exit codes: as of `run`.
    Replay(drill::ReplayArgs),
    /// Give up the run that goes on at a topology: it heals at once, and reports ABORTED; comes back when it has ended
    ///
    /// Exit codes: 0 it has ended and everything is healed, 1 nothing goes on, or it does not end.
    Abort(Where),
    /// Print the JSON Schema of experiment files
    Schema,
}

/// What is wrong with the system.
pub(crate) const VIOLATION: u8 = 4;

/// Nothing is proved.
pub(crate) const UNDECIDED: u8 = 5;

/// Given up before its end.
pub(crate) const ABORTED: u8 = 6;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    Table,
    Json,
}

/// Which topology, and for whom.
#[derive(Args)]
struct Of {
    #[command(flatten)]
    at: Where,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Which topology.
#[derive(Args)]
pub(crate) struct Where {
    /// Name of a running topology
    #[arg(long, default_value = "default")]
    name: String,
    /// Its topology.json, if it lies elsewhere
    #[arg(long)]
    topology: Option<PathBuf>,
}

impl Where {
    pub(crate) fn topology(&self) -> anyhow::Result<Topology> {
        Ok(Topology::read(&self.file())?)
    }

    fn file(&self) -> PathBuf {
        self.topology.clone().unwrap_or_else(|| chaos::audit::topology_file(&self.name))
    }
}

impl Cli {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Audit(args) => audit::run(args).await,
            Command::Check(args) => check::run(&args),
            Command::Load(args) => load::run(args).await,
            Command::Report(args) => report::run(&args),
            Command::Diff(args) => report::compare(&args),
            Command::Doctor(of) => doctor::run(&of).await,
            Command::List(of) => list::run(&of).await,
            Command::Inject(args) => inject::run(args).await,
            Command::Heal(args) => heal::run(&args).await,
            Command::Watch(args) => watch::run(&args).await,
            Command::Serve(args) => serve::run(&args).await,
            Command::Explain(args) => Ok(explain::run(&args)),
            Command::Plan(args) => explain::plan(&args).await,
            Command::Run(args) => drill::run(args).await,
            Command::Drill(args) => drill::drill(args).await,
            Command::Fuzz(args) => fuzz::run(args).await,
            Command::Replay(args) => drill::replay(args).await,
            Command::Abort(at) => abort::run(&at).await,
            Command::Schema => explain::print_schema(),
        }
    }
}
