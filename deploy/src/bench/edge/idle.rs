//! `edge-idle`: connections that do nothing, what one costs in memory, and what they cost the others in speed.

use std::path::Path;

use anyhow::Context;

use super::{
    crowd,
    hits::{BODY_BYTES, PATH, Target},
    origin::{Answers, Origin},
    ours,
    server::Server,
    wrk::Wrk,
};
use crate::{
    bench::{Bench, figures::Figure, nodes::resident, wire::get},
    build::Programs,
};

const NAME: &str = "edge-idle";

/// Idle connections wanted.
const IDLE: usize = 100_000;

/// Connections of the others, which ask all the time.
const BUSY: u32 = 64;

/// Memory of the edge for one idle connection, in KiB.
const AT_MOST_KIB: f64 = 12.0;

/// Speed of the others beside the idle ones, as a share of their speed alone.
const AT_LEAST_SHARE: f64 = 0.9;

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or_default()
}

/// What one round showed.
struct Seen {
    alone: f64,
    beside: f64,
    /// Growth for each connection in KiB: of the edge, and of the kernel for one end.
    edge_kib: f64,
    kernel_kib: f64,
    alive: usize,
}

/// Memory that the kernel took for its own objects, sockets among them, in bytes (`Slab` of proc_meminfo(5)).
fn kernel() -> anyhow::Result<u64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let kib = text.lines().find_map(|line| line.strip_prefix("Slab:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("no Slab in /proc/meminfo")? * 1024)
}

async fn round(edge: &Server, wrk: &Wrk, seconds: u64, connections: usize) -> anyhow::Result<Seen> {
    let (target, request) = (Target::of("ours", edge), get(PATH));
    let alone = target.run(wrk, BUSY, seconds)?.round.ops_per_s;
    let before = (resident(edge.pid())?, kernel()?);
    let mut crowd = crowd::open(&edge.address, connections, Some(&request)).await?;
    let beside = target.run(wrk, BUSY, seconds)?.round.ops_per_s;
    // Now all of them were idle for a while.
    let after = (resident(edge.pid())?, kernel()?);
    let each_kib = |grown: u64| grown as f64 / connections as f64 / 1024.0;
    let edge_kib = each_kib(after.0.saturating_sub(before.0));
    // Both ends of each connection are on this machine.
    let kernel_kib = each_kib(after.1.saturating_sub(before.1) / 2);
    Ok(Seen { alone, beside, edge_kib, kernel_kib, alive: crowd::alive(&mut crowd, &request).await })
}

pub(super) async fn run(programs: &Programs, bench: &Bench<'_>, directory: &Path, wrk: &Wrk) -> anyhow::Result<Vec<Figure>> {
    let connections = crowd::allow(IDLE)?;
    let edge = ours::start(programs, Origin::start(Answers::immediate(BODY_BYTES))?, directory)?;
    edge.fill(PATH).await?;
    let mut rounds = Vec::new();
    for nth in 1..=bench.args.rounds {
        let text = format!("{NAME}, round {nth} of {}: {connections} connections", bench.args.rounds);
        bench.progress.set_message(text);
        rounds.push(round(&edge, wrk, bench.args.seconds, connections).await?);
    }
    // Later rounds find memory that the allocator kept from the first.
    let first = rounds.first().context("no round was run")?;
    let alive = rounds.iter().map(|seen| seen.alive).min().unwrap_or_default();
    let of = |figure: &'static str, value: f64, unit: &'static str| Figure::new(NAME, figure, value, unit);
    let middle = |what: fn(&Seen) -> f64| median(rounds.iter().map(what).collect());
    Ok(vec![
        of("idle kept connections (up to 100,000 as the limit of open files allows)", connections as f64, "connections"),
        of("of them alive at the end, worst round", alive as f64, "connections").at_least(connections as f64),
        of("resident memory of the edge for each", first.edge_kib, "KiB").at_most(AT_MOST_KIB),
        of("memory of the kernel for the socket of each", first.kernel_kib, "KiB"),
        of("hits of 64 others alone", middle(|seen| seen.alone), "/s"),
        of("hits of 64 others beside them", middle(|seen| seen.beside), "/s"),
        of("share of their speed that is left", middle(|seen| seen.beside / seen.alone), "x").at_least(AT_LEAST_SHARE),
    ])
}
