//! `edge-overload`: ten times the load that the edge and the origin behind it can carry, and what still gets through.
//!
//! The origin is what limits: on one machine no load generator could offer ten times the hits of a whole edge.

use std::{path::Path, time::Duration};

use anyhow::Context;

use super::{
    crowd,
    hits::BODY_BYTES,
    open_loop::{HOT, Kind, MAX_CONNECTIONS, Seen, hot_path, offer},
    origin::{Answers, KEPT, Origin},
    ours,
    server::Server,
};
use crate::{
    bench::{Bench, figures::Figure},
    build::Programs,
};

const NAME: &str = "edge-overload";

/// The origin carries 400 requests a second: 8 at once, each takes 20 ms.
const ORIGIN: Answers = Answers { body_bytes: BODY_BYTES, takes: Duration::from_millis(20), at_once: 8, control: KEPT };

/// First rate offered, and by how much the next is higher. Half of the mix needs the origin, so it is full at 800 a second.
const FIRST_RATE: u32 = 300;
const STEP_PERCENT: u32 = 10;
const MAX_STEPS: usize = 16;

/// A load is carried when this share of it is answered well, with this p99: a line that grows before the origin shows there first.
const CARRIED: f64 = 0.99;
const CARRIED_P99_MS: f64 = 250.0;

const TIMES: u32 = 10;

/// Goodput under overload as a share of that under the load carried.
const AT_LEAST: f64 = 0.8;

/// What needs the origin.
const BEHIND: [Kind; 2] = [Kind::Miss, Kind::Change];

/// Requests that are offered one after another, at growing rates.
struct Load<'a> {
    edge: &'a Server,
    time: Duration,
    /// Numbers given to requests so far.
    numbered: u64,
}

impl Load<'_> {
    async fn offer(&mut self, rate: u32) -> anyhow::Result<Seen> {
        let seen = offer(&self.edge.address, rate, self.time, self.numbered).await?;
        self.numbered += u64::from(rate) * self.time.as_secs() + 1;
        // What is still under way at the origin belongs to the load that is over.
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(seen)
    }
}

fn next(rate: u32) -> u32 {
    rate + rate * STEP_PERCENT / 100
}

pub(super) async fn run(programs: &Programs, bench: &Bench<'_>, directory: &Path) -> anyhow::Result<Vec<Figure>> {
    crowd::allow(MAX_CONNECTIONS)?;
    let edge = ours::start(programs, Origin::start(ORIGIN)?, directory)?;
    for nth in 0..HOT {
        bench.progress.set_message(format!("{NAME}: {nth} of {HOT} objects in the cache"));
        edge.fill(&hot_path(nth)).await?;
    }
    let mut load = Load { edge: &edge, time: Duration::from_secs(bench.args.seconds), numbered: 0 };
    let (mut rate, mut carried) = (FIRST_RATE, None);
    for _ in 0..MAX_STEPS {
        bench.progress.set_message(format!("{NAME}: {rate} requests a second"));
        let seen = load.offer(rate).await?;
        if seen.good_share() < CARRIED || p99_ms(&seen) > CARRIED_P99_MS {
            break;
        }
        carried = Some((rate, seen));
        rate = next(rate);
    }
    let (rate, carried) = carried.with_context(|| format!("the edge does not carry {FIRST_RATE} requests a second"))?;
    bench.progress.set_message(format!("{NAME}: {} requests a second", rate * TIMES));
    let flooded = load.offer(rate * TIMES).await?;
    Ok(figures(rate, &carried, &flooded))
}

fn figures(rate: u32, carried: &Seen, flooded: &Seen) -> Vec<Figure> {
    let of = |figure: &'static str, value: f64, unit: &'static str| Figure::new(NAME, figure, value, unit);
    let ratio = |kinds: &[Kind]| flooded.goodput(kinds) / carried.goodput(kinds);
    let all = |what: fn(&super::open_loop::Count) -> u64| flooded.of.values().map(what).sum::<u64>() as f64;
    vec![
        of("load carried (5 hits, 4 misses, 1 change of ten)", f64::from(rate), "requests/s"),
        of("load offered then", f64::from(rate * TIMES), "requests/s"),
        of("goodput of misses and changes under the load carried", carried.goodput(&BEHIND), "/s"),
        of("the same under ten times the load", flooded.goodput(&BEHIND), "/s"),
        of("share of the goodput that is left: misses and changes", ratio(&BEHIND), "x").at_least(AT_LEAST),
        of("share of the goodput that is left: changes", ratio(&[Kind::Change]), "x").at_least(AT_LEAST),
        of("good hits of all hits under ten times the load", share(flooded, Kind::Hit), "x").at_least(CARRIED),
        of("p99 of accepted requests under the load carried", p99_ms(carried), "ms"),
        of("p99 of accepted requests under ten times the load", p99_ms(flooded), "ms"),
        of("lateness of the load generator itself, p99", flooded.lag_us.value_at_quantile(0.99) as f64 / 1e3, "ms"),
        of("told to come back", all(|count| count.refused), "requests"),
        of("answered late", all(|count| count.late), "requests"),
        of("no answer or an error", all(|count| count.failed), "requests"),
    ]
}

fn p99_ms(seen: &Seen) -> f64 {
    seen.accepted_us.value_at_quantile(0.99) as f64 / 1e3
}

fn share(seen: &Seen, kind: Kind) -> f64 {
    seen.of.get(&kind).map_or(0.0, |count| count.good as f64 / count.offered.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_pass_the_origins_capacity() {
        let last = (0..MAX_STEPS).fold(FIRST_RATE, |rate, _| next(rate));
        let capacity = ORIGIN.at_once as f64 / ORIGIN.takes.as_secs_f64();
        assert!(f64::from(last) / 2.0 > capacity, "{last} requests a second do not fill {capacity}");
        assert!(f64::from(FIRST_RATE) / 2.0 < capacity);
    }
}
