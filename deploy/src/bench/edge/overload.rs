//! `edge-overload`: ten times the load that an edge and the shop behind it can carry, and what still gets through.
//!
//! The catalog is what limits: on one machine no load generator could offer ten times the hits of a whole edge.

use std::{path::Path, time::Duration};

use anyhow::Context;

use super::{
    crowd,
    hits::BODY_BYTES,
    open_loop::{ALL, HOT, Kind, MAX_CONNECTIONS, Seen, hot_path, offer},
    ours,
    server::Server,
    shop::Shop,
};
use crate::{
    bench::{Bench, figures::Figure},
    build::Programs,
};

const NAME: &str = "edge-overload";

/// First rate offered, and by how much the next is higher. Four of ten need the catalog, so it is full at 1,000 a second.
const FIRST_RATE: u32 = 400;
const STEP_PERCENT: u32 = 10;
const MAX_STEPS: usize = 16;

/// A load is carried when this share of it is answered well, with this p99: a line that grows before the origin shows there first.
const CARRIED: f64 = 0.99;
const CARRIED_P99_MS: f64 = 250.0;

const TIMES: u32 = 10;

/// Goodput under overload as a share of that under the load carried.
const AT_LEAST: f64 = 0.8;

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
    let shop = Shop::start(BODY_BYTES)?;
    let edge = ours::start_before(programs, &shop, directory)?;
    for nth in 0..HOT {
        bench.progress.set_message(format!("{NAME}: {nth} of {HOT} objects in the cache"));
        edge.fill(&hot_path(nth)).await?;
    }
    let mut load = Load { edge: &edge, time: Duration::from_secs(bench.args.seconds), numbered: 0 };
    let (rate, carried) = heaviest(&mut load, bench).await?;
    bench.progress.set_message(format!("{NAME}: {} requests a second", rate * TIMES));
    let flooded = load.offer(rate * TIMES).await?;
    Ok(figures(rate, &carried, &flooded))
}

/// The highest rate that is carried, and what was seen at it.
async fn heaviest(load: &mut Load<'_>, bench: &Bench<'_>) -> anyhow::Result<(u32, Seen)> {
    let (mut carried, mut rate, mut refused, mut last) = (None, FIRST_RATE, 0, String::new());
    // A rate that fails twice in a row is too high; once may be the machine's fault.
    for _ in 0..MAX_STEPS {
        bench.progress.set_message(format!("{NAME}: {rate} requests a second"));
        let seen = load.offer(rate).await?;
        if seen.good_share() >= CARRIED && p99_ms(&seen) <= CARRIED_P99_MS {
            carried = Some((rate, seen));
            (rate, refused) = (next(rate), 0);
            continue;
        }
        last = format!("{:?}, p99 {} ms", seen.of, p99_ms(&seen));
        refused += 1;
        if refused == 2 {
            break;
        }
    }
    carried.with_context(|| format!("{FIRST_RATE} requests a second are not carried: {last}"))
}

fn figures(rate: u32, carried: &Seen, flooded: &Seen) -> Vec<Figure> {
    let of = |figure: &'static str, value: f64, unit: &'static str| Figure::new(NAME, figure, value, unit);
    let left = |kind: Kind| flooded.goodput(&[kind]) / carried.goodput(&[kind]);
    let all = |what: fn(&super::open_loop::Count) -> u64| flooded.of.values().map(what).sum::<u64>() as f64;
    vec![
        of("load carried (of ten: 5 hits, 4 misses, 1 checkout)", f64::from(rate), "requests/s"),
        of("load offered then", f64::from(rate * TIMES), "requests/s"),
        of("goodput of misses under the load carried", carried.goodput(&[Kind::Miss]), "/s"),
        of("goodput of misses under ten times the load", flooded.goodput(&[Kind::Miss]), "/s"),
        of("share of the goodput that is left: everything", flooded.goodput(&ALL) / carried.goodput(&ALL), "x")
            .at_least(AT_LEAST),
        of("share of the goodput that is left: misses", left(Kind::Miss), "x").at_least(AT_LEAST),
        of("share of the goodput that is left: checkouts", left(Kind::Checkout), "x").at_least(AT_LEAST),
        of("good of all checkouts under ten times the load", share(flooded, Kind::Checkout), "x").at_least(AT_LEAST),
        of("good of all hits under ten times the load", share(flooded, Kind::Hit), "x").at_least(CARRIED),
        of("p99 of accepted requests under the load carried", p99_ms(carried), "ms"),
        of("p99 of accepted requests under ten times the load", p99_ms(flooded), "ms"),
        of("p99 of accepted hits under ten times the load", p99_of_ms(flooded, Kind::Hit), "ms"),
        of("p99 of accepted misses under ten times the load", p99_of_ms(flooded, Kind::Miss), "ms"),
        of("p99 of accepted checkouts under ten times the load", p99_of_ms(flooded, Kind::Checkout), "ms"),
        of("lateness of the load generator itself, p99", flooded.lag_us.value_at_quantile(0.99) as f64 / 1e3, "ms"),
        of("told to come back", all(|count| count.refused), "requests"),
        of("answered late", all(|count| count.late), "requests"),
        of("no answer or an error", all(|count| count.failed), "requests"),
    ]
}

fn p99_ms(seen: &Seen) -> f64 {
    seen.accepted_us.value_at_quantile(0.99) as f64 / 1e3
}

fn p99_of_ms(seen: &Seen, kind: Kind) -> f64 {
    seen.accepted_of_us.get(&kind).map_or(0.0, |of| of.value_at_quantile(0.99) as f64 / 1e3)
}

fn share(seen: &Seen, kind: Kind) -> f64 {
    seen.of.get(&kind).map_or(0.0, |count| count.good as f64 / count.offered.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::edge::{
        open_loop::MIX,
        shop::{CATALOG_AT_ONCE, CATALOG_TAKES},
    };

    #[test]
    fn the_steps_pass_the_origins_capacity() {
        let last = (0..MAX_STEPS).fold(FIRST_RATE, |rate, _| next(rate));
        let capacity = CATALOG_AT_ONCE as f64 / CATALOG_TAKES.as_secs_f64();
        let misses = MIX.iter().filter(|kind| **kind == Kind::Miss).count() as f64 / MIX.len() as f64;
        assert!(f64::from(last) * misses > capacity, "{last} requests a second do not fill {capacity}");
        assert!(f64::from(FIRST_RATE) * misses < capacity);
    }
}
