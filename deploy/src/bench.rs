//! `cargo deploy bench`: what a client gets, measured against a topology of its own built for speed.
//!
//! Closed loops: each caller sends its next request when it has the answer to the last. Only what a client was told is done counts.

mod drive;
mod etcd;
mod floor;
mod inventory;
mod nodes;
mod purchases;
mod scale;
mod scenario;
mod table;
mod wire;

use std::{process::Command, time::Duration};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    build::{self, Programs},
    cli::Output,
    plan::{Place, target_directory},
    seed,
    supervisor::Supervisor,
    topology::Spec,
};
use drive::{Round, round};
use etcd::Etcd;
use nodes::Nodes;
use table::Measured;

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Purchases and reads of three inventory nodes
    Inventory,
    /// Memory, restarts, snapshots and disk with a million SKUs and holds; only when named
    Scale,
    /// Cached answers of an edge
    Edge,
    /// Whole checkouts through the edges
    Checkout,
}

/// What to measure, and for how long.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Only these; without any, all but scale
    #[arg(value_enum)]
    only: Vec<Group>,
    /// Rounds; the medians over them are told
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of one round
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Measure a peer with the same workload, in alternation
    #[arg(long, value_enum, value_delimiter = ',')]
    against: Vec<Peer>,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// A system that people would use instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Three members of Debian's etcd-server, over gRPC
    Etcd,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<u8> {
    let whole = args.wants(Group::Edge) || args.wants(Group::Checkout);
    let programs = if whole { build::services(true)? } else { build::programs(&["deploy", "inventory-raft"], true)? };
    if cfg!(debug_assertions) {
        // A load generator without optimisation would measure itself.
        let status = Command::new(programs.path("deploy")).args(std::env::args_os().skip(1)).status()?;
        return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    progress.enable_steady_tick(Duration::from_millis(500));
    let mut bench = Bench { args, progress, measured: Vec::new() };
    if args.wants(Group::Inventory) {
        runtime.block_on(inventory_nodes(&programs, &mut bench))?;
    }
    if args.only.contains(&Group::Scale) {
        runtime.block_on(scale_nodes(&programs, &bench))?;
    }
    if whole {
        storefront(programs, &runtime, &mut bench)?;
    }
    bench.progress.finish_and_clear();
    if !bench.measured.is_empty() {
        table::print(&bench.measured, args.output)?;
    }
    Ok(0)
}

/// Rounds under way, and what they showed.
struct Bench<'a> {
    args: &'a BenchArgs,
    progress: ProgressBar,
    measured: Vec<Measured>,
}

impl Bench<'_> {
    /// Runs the rounds of one bench, each with fresh callers, and keeps the medians.
    async fn measure<C>(&mut self, name: &'static str, callers: impl AsyncFn() -> anyhow::Result<Vec<C>>) -> anyhow::Result<()>
    where
        C: AsyncFnMut() -> Option<u64> + 'static,
    {
        self.measure_against(name, callers, None).await
    }

    /// The same, with rounds of a peer in between: its workload and callers.
    async fn measure_against<C>(
        &mut self,
        name: &'static str,
        callers: impl AsyncFn() -> anyhow::Result<Vec<C>>,
        peer: Option<(&Etcd, &str, usize)>,
    ) -> anyhow::Result<()>
    where
        C: AsyncFnMut() -> Option<u64> + 'static,
    {
        let (mut ours, mut theirs): (Vec<Round>, Vec<Round>) = (Vec::new(), Vec::new());
        let time = Duration::from_secs(self.args.seconds);
        for nth in 1..=self.args.rounds {
            self.progress.set_message(format!("{name}, round {nth} of {}", self.args.rounds));
            ours.push(round(callers().await?, time).await?);
            if let Some((etcd, workload, callers)) = peer {
                self.progress.set_message(format!("{name}, round {nth} of {} of etcd", self.args.rounds));
                theirs.push(etcd.round(workload, callers, time).await?);
            }
        }
        self.measured.push(Measured::of(name, "ours", &ours)?);
        if !theirs.is_empty() {
            self.measured.push(Measured::of(name, "etcd", &theirs)?);
        }
        Ok(())
    }
}

async fn inventory_nodes(programs: &Programs, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let directory = target_directory().join("deploy").join(format!("bench-nodes-{}", std::process::id()));
    let nodes = Nodes::start(programs, &directory).await?;
    let tools = target_directory().join("deploy").join("tools");
    let wanted = bench.args.against.contains(&Peer::Etcd);
    let etcd = wanted.then(|| Etcd::start(programs, &directory.join("etcd"), &tools)).transpose()?;
    inventory::run(&nodes, etcd.as_ref(), bench).await?;
    // What one caller's latency has to be compared with, on the disk that the nodes wrote to.
    let least = floor::measure(&directory)?;
    let us = u64::try_from(least.as_micros()).unwrap_or(u64::MAX);
    let floor = Round { ops_per_s: 1.0 / least.as_secs_f64(), p50_us: us, p99_us: us, errors: 0 };
    bench.measured.push(Measured::of("floor/two-syncs-and-round-trips", "machine", &[floor])?);
    Ok(())
}

async fn scale_nodes(programs: &Programs, bench: &Bench<'_>) -> anyhow::Result<()> {
    let directory = target_directory().join("deploy").join(format!("bench-scale-{}", std::process::id()));
    let mut nodes = Nodes::start(programs, &directory).await?;
    let progress = bench.progress.clone();
    scale::run(&mut nodes, bench.args.output, move |text| progress.set_message(text)).await
}

fn storefront(programs: Programs, runtime: &tokio::runtime::Runtime, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let place = Place::of(&format!("bench-{}", std::process::id()))?.with_any_ports();
    let file = place.topology_file();
    let supervisor = Supervisor::start(place, &Spec::read(None)?.in_plaintext(), programs)?;
    let measured = seed::seed(&supervisor, &[]).and_then(|()| runtime.block_on(scenario::run(&supervisor, bench)));
    supervisor.stop();
    if let Some(directory) = file.parent() {
        std::fs::remove_dir_all(directory)?;
    }
    measured
}

impl BenchArgs {
    fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }
}
