//! Results for people and programs.

use std::process::Command;

use anyhow::Context;
use comfy_table::Table;
use serde::Serialize;

use super::drive::Round;

/// Medians over the rounds.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Measured {
    pub(super) bench: &'static str,
    pub(super) system: &'static str,
    pub(super) ops_per_s: f64,
    p50_us: u64,
    pub(super) p99_us: u64,
    errors: u64,
    rounds: usize,
    commit: String,
    machine: String,
}

impl Measured {
    pub(super) fn of(bench: &'static str, system: &'static str, rounds: &[Round]) -> anyhow::Result<Self> {
        let mut by_speed: Vec<f64> = rounds.iter().map(|round| round.ops_per_s).collect();
        by_speed.sort_by(f64::total_cmp);
        let middle = |mut of: Vec<u64>| {
            of.sort_unstable();
            of.get(of.len() / 2).copied().unwrap_or_default()
        };
        Ok(Self {
            bench,
            system,
            ops_per_s: by_speed.get(by_speed.len() / 2).copied().context("no round was run")?.round(),
            p50_us: middle(rounds.iter().map(|round| round.p50_us).collect()),
            p99_us: middle(rounds.iter().map(|round| round.p99_us).collect()),
            errors: rounds.iter().map(|round| round.errors).sum(),
            rounds: rounds.len(),
            commit: commit(),
            machine: machine(),
        })
    }
}

/// As it was typed, without the program's name.
fn command() -> String {
    std::env::args().skip(1).collect::<Vec<_>>().join(" ")
}

fn commit() -> String {
    let output = Command::new("git").args(["rev-parse", "--short", "HEAD"]).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Processor, cores, kernel.
fn machine() -> String {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .unwrap_or_default()
        .trim_start_matches(['\t', ' ', ':'])
        .to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, {cores} cores, Linux {}", kernel.trim())
}

/// For people; nothing where no rounds were run.
pub(super) fn print(measured: &[Measured]) {
    if measured.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.set_header(["bench", "system", "ops/s", "p50 us", "p99 us", "errors", "rounds"]);
    for one in measured {
        let numbers = [one.p50_us.to_string(), one.p99_us.to_string(), one.errors.to_string(), one.rounds.to_string()];
        table.add_row([one.bench.to_owned(), one.system.to_owned(), format!("{:.0}", one.ops_per_s)].into_iter().chain(numbers));
    }
    println!("{table}");
    if let Some(first) = measured.first() {
        println!("machine: {}\ncommit: {}\ncommand: cargo deploy {}", first.machine, first.commit, command());
    }
}
