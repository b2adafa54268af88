//! `edge-cold`: very many requests at once for one key that is not in the cache.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream::FuturesUnordered};

use super::{
    crowd,
    hits::BODY_BYTES,
    origin::{Answers, Origin},
    ours,
    server::Server,
};
use crate::{
    bench::{Bench, figures::Figure, wire::get},
    build::Programs,
};

const NAME: &str = "edge-cold";

/// Requests at once, each on a connection of its own.
const REQUESTS: usize = 10_000;

/// The origin is slow enough that all requests come while the first is under way.
const ORIGIN_TAKES: Duration = Duration::from_millis(500);

/// One round: requests that reached the origin, answers with `200` and the body, time until the last.
struct Rush {
    asked: u64,
    answered: usize,
    took: Duration,
}

async fn rush(edge: &Server, connections: usize, path: &str) -> anyhow::Result<Rush> {
    let mut wires = crowd::open(&edge.address, connections, None).await?;
    let (request, before, began) = (get(path), edge.asked(), Instant::now());
    let answers = wires
        .iter_mut()
        .map(async |wire| wire.exchange(&request).await.is_ok_and(|(status, body)| status == 200 && body.len() == BODY_BYTES));
    let mut answers: FuturesUnordered<_> = answers.collect();
    let mut answered = 0;
    while let Some(good) = answers.next().await {
        answered += usize::from(good);
    }
    Ok(Rush { asked: edge.asked() - before, answered, took: began.elapsed() })
}

pub(super) async fn run(programs: &Programs, bench: &Bench<'_>, directory: &std::path::Path) -> anyhow::Result<Vec<Figure>> {
    let connections = crowd::allow(REQUESTS)?;
    let origin = Origin::start(Answers { takes: ORIGIN_TAKES, ..Answers::immediate(BODY_BYTES) })?;
    let edge = ours::start(programs, origin, directory)?;
    let mut rounds = Vec::new();
    for nth in 1..=bench.args.rounds {
        bench.progress.set_message(format!("{NAME}, round {nth} of {}", bench.args.rounds));
        rounds.push(rush(&edge, connections, &format!("/cold-{nth}")).await?);
    }
    let worst = rounds.iter().map(|round| round.asked).max().unwrap_or_default();
    let least = rounds.iter().map(|round| round.answered).min().unwrap_or_default();
    let mut took: Vec<Duration> = rounds.iter().map(|round| round.took).collect();
    took.sort_unstable();
    let median = took.get(took.len() / 2).copied().unwrap_or_default();
    Ok(vec![
        Figure::new(NAME, "requests at once for one cold key", connections as f64, "requests").at_least(REQUESTS as f64),
        Figure::new(NAME, "requests that reached the origin, worst round", worst as f64, "requests").at_most(1.0),
        Figure::new(NAME, "answered with 200 and the body, worst round", least as f64, "requests").at_least(connections as f64),
        Figure::new(NAME, "time of the origin's answer", ORIGIN_TAKES.as_secs_f64() * 1e3, "ms"),
        Figure::new(NAME, "time until all were answered, median", median.as_secs_f64() * 1e3, "ms"),
    ])
}
