//! `cargo deploy bench`: what a client gets, measured against a topology of its own built for speed.
//!
//! Closed loops: each caller sends its next request when it has the answer to the last. Only what a client was told is done counts.

mod drive;
mod scenario;
mod table;

use std::process::Command;

use clap::{Args, ValueEnum};

use crate::{build, cli::Output, plan::Place, seed, supervisor::Supervisor, topology::Spec};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    Inventory,
    Edge,
    Checkout,
}

/// What to measure, and for how long.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Only these; without any, all
    #[arg(value_enum)]
    only: Vec<Group>,
    /// Rounds; the medians over them are told
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of one round
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<u8> {
    let programs = build::services(true)?;
    if cfg!(debug_assertions) {
        // A load generator without optimisation would measure itself.
        let status = Command::new(programs.path("deploy")).args(std::env::args_os().skip(1)).status()?;
        return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1));
    }
    let place = Place::of(&format!("bench-{}", std::process::id()))?.with_any_ports();
    let file = place.topology_file();
    let supervisor = Supervisor::start(place, &Spec::read(None)?, programs)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let measured = seed::seed(&supervisor, &[]).and_then(|()| runtime.block_on(scenario::all(&supervisor, args)));
    supervisor.stop();
    if let Some(directory) = file.parent() {
        std::fs::remove_dir_all(directory)?;
    }
    table::print(&measured?, args.output)?;
    Ok(0)
}

impl BenchArgs {
    fn wants(&self, group: Group) -> bool {
        self.only.is_empty() || self.only.contains(&group)
    }
}
