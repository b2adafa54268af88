//! What can be asked for.

use clap::Parser;
use inventory_simulation::{Bug, Options};

/// Runs the inventory cluster in a simulated world, once for each seed, and stops at the first that fails.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    /// How many seeds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub(crate) seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=1_000_000_000_000))]
    pub(crate) first: u64,
    /// Begins no seed after this many seconds.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub(crate) seconds: Option<u64>,
    /// First members: 3 or 5. By default the seed says.
    #[arg(long, value_parser = members)]
    pub(crate) nodes: Option<u64>,
    /// Plants a fault: ack-before-sync, refusal-forgotten, stale-read or vote-not-persisted.
    #[arg(long)]
    pub(crate) bug: Option<Bug>,
    /// Judges only what clients were told, without a look into the nodes.
    #[arg(long)]
    pub(crate) outside: bool,
    /// Prints what happens. With RUST_LOG, as in `RUST_LOG=openraft=info`, also what the nodes say.
    #[arg(long)]
    pub(crate) trace: bool,
    /// Seeds at the same time; by default one for each core.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_024))]
    pub(crate) jobs: Option<u64>,
    /// Runs this seed in this process and prints what it found as JSON.
    #[arg(long, hide = true)]
    pub(crate) one: Option<u64>,
}

fn members(text: &str) -> Result<u64, String> {
    match text {
        "3" => Ok(3),
        "5" => Ok(5),
        other => Err(format!("{other} first members are not simulated; use 3 or 5")),
    }
}

impl Cli {
    pub(crate) fn options(&self) -> Options {
        Options { bug: self.bug, nodes: self.nodes, looks_inside: !self.outside, trace: self.trace }
    }

    /// The arguments that a run of one seed takes over.
    pub(crate) fn passed_on(&self) -> Vec<String> {
        let mut passed = Vec::new();
        if let Some(nodes) = self.nodes {
            passed.push(format!("--nodes={nodes}"));
        }
        if let Some(bug) = self.bug {
            passed.push(format!("--bug={}", bug.name()));
        }
        if self.outside {
            passed.push("--outside".to_owned());
        }
        passed
    }
}
