//! `edge-idle`: connections that do nothing, what one costs in memory, and what they cost the others in speed.

use std::path::Path;

use super::{
    crowd,
    hits::{BODY_BYTES, PATH, Target},
    origin::{Answers, Origin},
    ours,
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

pub(super) async fn run(programs: &Programs, bench: &Bench<'_>, directory: &Path, wrk: &Wrk) -> anyhow::Result<Vec<Figure>> {
    let connections = crowd::allow(IDLE)?;
    let edge = ours::start(programs, Origin::start(Answers::immediate(BODY_BYTES))?, directory)?;
    edge.fill(PATH).await?;
    let target = Target::of("ours", &edge);
    let request = get(PATH);
    let (mut alone, mut beside, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    let (mut each_kib, mut alive) = (None, connections);
    for nth in 1..=bench.args.rounds {
        let say = |what: &str| bench.progress.set_message(format!("{NAME}, round {nth} of {}: {what}", bench.args.rounds));
        say("alone");
        let speed_alone = target.run(wrk, BUSY, bench.args.seconds)?.round.ops_per_s;
        say(&format!("opening {connections} connections"));
        let before = resident(edge.pid())?;
        let mut crowd = crowd::open(&edge.address, connections, Some(&request)).await?;
        say("beside idle connections");
        let speed_beside = target.run(wrk, BUSY, bench.args.seconds)?.round.ops_per_s;
        // Now all of them were idle for a while. Later rounds find memory that the allocator kept from this one.
        each_kib.get_or_insert((resident(edge.pid())?.saturating_sub(before)) as f64 / connections as f64 / 1024.0);
        alive = alive.min(crowd::alive(&mut crowd, &request).await);
        alone.push(speed_alone);
        beside.push(speed_beside);
        shares.push(speed_beside / speed_alone);
    }
    Ok(vec![
        Figure::new(
            NAME,
            "idle kept connections (the limit of open files decides, up to 100,000)",
            connections as f64,
            "connections",
        ),
        Figure::new(NAME, "of them alive at the end, worst round", alive as f64, "connections").at_least(connections as f64),
        Figure::new(NAME, "resident memory of the edge for each", each_kib.unwrap_or_default(), "KiB").at_most(AT_MOST_KIB),
        Figure::new(NAME, "hits of 64 others alone", median(alone), "/s"),
        Figure::new(NAME, "hits of 64 others beside them", median(beside), "/s"),
        Figure::new(NAME, "share of their speed that is left, median", median(shares), "x").at_least(AT_LEAST_SHARE),
    ])
}
