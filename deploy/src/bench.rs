//! `cargo deploy bench`: what a client gets, measured against a topology of its own built for speed.
//!
//! Closed loops: each caller sends its next request when it has the answer to the last. Only what a client was told is done counts.

mod audit;
mod checkout;
mod drive;
mod edge;
mod etcd;
mod figures;
mod floor;
mod inventory;
mod links;
mod nodes;
mod orders_db;
mod purchases;
mod scale;
mod stand;
mod table;
mod wire;

use std::{process::Command, time::Duration};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    build::{self, Programs},
    cli::Output,
    plan::target_directory,
};
use drive::{Round, round};
use etcd::Etcd;
use figures::Figure;
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
    /// Memory of idle connections, and what they cost the others; only when named
    EdgeIdle,
    /// What share of a stream of requests a full cache answers, by way of choosing what stays; only when named
    EdgeHitRatio,
    /// Answers under ten times the load that an edge can carry; only when named
    EdgeOverload,
    /// Many requests at once for what is not in the cache; only when named
    EdgeCold,
    /// Whole checkouts through an edge, also without PostgreSQL
    Checkout,
    /// What idle links between processes cost whole checkouts; only when named
    Links,
    /// History pages among a million orders, in PostgreSQL alone; only when named
    OrdersDb,
    /// `chaos audit` of a million orders; only when named
    Audit,
}

/// What to measure, and for how long.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Only these; without any: inventory, edge and checkout
    #[arg(value_enum)]
    only: Vec<Group>,
    /// Rounds; the medians over them are told
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of one round
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Orders that are audited, or in the database of `orders-db`
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    orders: u64,
    /// Measure peers with the same workload, in alternation: etcd for the inventory, the others for the edge
    #[arg(long, value_enum, value_delimiter = ',')]
    against: Vec<Peer>,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Take the programs of `cargo build` as they are: to try the bench itself, not to measure
    #[arg(long, hide = true)]
    unoptimised: bool,
}

/// A system that people would use instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// Three members of Debian's etcd-server, over gRPC
    Etcd,
    /// Debian's nginx with its proxy_cache
    Nginx,
    /// Debian's Varnish
    Varnish,
    /// No cache, but what this machine can do: a bare loop that answers from a map
    Bare,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<u8> {
    let programs = args.programs()?;
    if cfg!(debug_assertions) && !args.unoptimised {
        // A load generator without optimisation would measure itself.
        let status = Command::new(programs.path("deploy")).args(std::env::args_os().skip(1)).status()?;
        return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    progress.enable_steady_tick(Duration::from_millis(500));
    let mut bench = Bench { args, progress, measured: Vec::new(), figures: Vec::new(), notes: Vec::new() };
    for group in args.groups() {
        match group {
            Group::Inventory => runtime.block_on(inventory_nodes(&programs, &mut bench))?,
            Group::Scale => runtime.block_on(scale_nodes(&programs, &mut bench))?,
            Group::Audit => runtime.block_on(audited_nodes(&programs, &mut bench))?,
            Group::Edge => edge::run(&programs, &runtime, &mut bench)?,
            Group::Checkout => checkout::run(&programs, &runtime, &mut bench)?,
            Group::Links => links::run(&programs, &runtime, &mut bench)?,
            Group::OrdersDb => orders_db::run(&runtime, &mut bench)?,
            companion => edge::companion(companion, &programs, &runtime, &mut bench)?,
        }
    }
    bench.progress.finish_and_clear();
    match args.output {
        Output::Json => println!("{}", document(&bench.measured, &bench.figures)?),
        Output::Table => {
            table::print(&bench.measured);
            figures::print(&bench.figures);
        }
    }
    // Beside the results, which a program may read.
    bench.notes.iter().for_each(|note| eprintln!("{note}"));
    Ok(0)
}

/// One document for programs: what was measured in rounds, and single figures, each beside its target.
fn document(measured: &[Measured], figures: &[Figure]) -> serde_json::Result<String> {
    serde_json::to_string_pretty(&serde_json::json!({"measured": measured, "figures": figures}))
}

/// Rounds under way, and what they showed.
struct Bench<'a> {
    args: &'a BenchArgs,
    progress: ProgressBar,
    measured: Vec<Measured>,
    figures: Vec<Figure>,
    /// Comparisons between rows, for people.
    notes: Vec<String>,
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

async fn scale_nodes(programs: &Programs, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let directory = target_directory().join("deploy").join(format!("bench-scale-{}", std::process::id()));
    let mut nodes = Nodes::start(programs, &directory).await?;
    let progress = bench.progress.clone();
    bench.figures.extend(scale::run(&mut nodes, move |text| progress.set_message(text)).await?);
    Ok(())
}

async fn audited_nodes(programs: &Programs, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    let directory = target_directory().join("deploy").join(format!("bench-audit-{}", std::process::id()));
    let nodes = Nodes::start(programs, &directory).await?;
    let progress = bench.progress.clone();
    let say = move |text| progress.set_message(text);
    bench.figures.extend(audit::run(programs, &nodes, &directory, bench.args.orders, say).await?);
    Ok(())
}

impl BenchArgs {
    /// In the order they were asked for, each once.
    fn groups(&self) -> Vec<Group> {
        let mut groups: Vec<Group> = Vec::new();
        let all = [Group::Inventory, Group::Edge, Group::Checkout];
        for group in if self.only.is_empty() { &all } else { self.only.as_slice() } {
            if !groups.contains(group) {
                groups.push(*group);
            }
        }
        groups
    }

    /// Builds what the groups need and nothing else.
    fn programs(&self) -> anyhow::Result<Programs> {
        let groups = self.groups();
        if self.unoptimised {
            return Ok(Programs::built(false));
        }
        if groups.iter().any(|group| matches!(group, Group::Edge | Group::Checkout | Group::Links)) {
            return build::services(true);
        }
        let mut names = vec!["deploy"];
        let nodes = groups.iter().any(|group| matches!(group, Group::Inventory | Group::Scale | Group::Audit));
        names.extend(nodes.then_some("inventory-raft"));
        names.extend(groups.contains(&Group::Audit).then_some(["orders", "chaos"]).into_iter().flatten());
        let edge = groups.iter().any(|group| matches!(group, Group::EdgeIdle | Group::EdgeOverload | Group::EdgeCold));
        names.extend(edge.then_some("storefront-edge"));
        build::programs(&names, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_get_one_document_whatever_was_measured() {
        let round = Round { ops_per_s: 10.0, p50_us: 1, p99_us: 2, errors: 0 };
        let measured = [Measured::of("checkout/full", "ours", &[round]).unwrap()];
        let figures = [Figure::new("checkout/full", "answered 202", 3.0, "checkouts").at_most(5.0)];
        for (measured, figures) in [(&measured[..], &figures[..]), (&measured[..], &[]), (&[], &figures[..]), (&[], &[])] {
            let document: serde_json::Value = serde_json::from_str(&document(measured, figures).unwrap()).unwrap();
            let lengths = ["measured", "figures"].map(|part| document[part].as_array().unwrap().len());
            assert_eq!(lengths, [measured.len(), figures.len()]);
        }
    }

    #[test]
    fn long_groups_are_run_only_when_named_and_each_group_once() {
        #[derive(clap::Parser)]
        struct Whole {
            #[command(flatten)]
            bench: BenchArgs,
        }
        let groups = |line: &str| <Whole as clap::Parser>::parse_from(line.split(' ')).bench.groups();
        assert_eq!(groups("bench"), [Group::Inventory, Group::Edge, Group::Checkout]);
        assert_eq!(groups("bench edge-cold edge edge-cold --against nginx,varnish"), [Group::EdgeCold, Group::Edge]);
    }
}
