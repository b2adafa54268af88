//! `edge-hit-ratio`: which share of a stream of requests is answered from a full cache, by its way of choosing what stays.
//!
//! One trace for all, one budget of bytes for all. Ours is the library that the edge's cache is made of; the others are simulations.

mod lru;
mod ours;
mod queues;
mod s3_fifo;
mod sketch;
mod trace;
mod w_tiny_lfu;

use crate::bench::{Bench, figures::Figure};
use lru::Lru;
use ours::Ours;
use s3_fifo::S3Fifo;
use trace::Trace;
use w_tiny_lfu::WTinyLfu;

const NAME: &str = "edge-hit-ratio";

/// Bytes of the cache.
const BUDGET: u64 = 512 * 1024 * 1024;

/// Distance to the best in points (hundredths of all requests).
const AT_MOST_POINTS: f64 = 2.0;

/// A cache that knows sizes and no contents.
trait Policy {
    /// A request for an object: whether it was there. Afterwards it may be.
    fn request(&mut self, object: u32, bytes: u32) -> bool;
}

/// Percent of the counted requests that were hits. The first part of the trace only fills the cache.
fn hit_percent(policy: &mut dyn Policy, trace: &Trace) -> f64 {
    let (warm_up, counted) = trace.requests.split_at(trace.warm_up);
    let mut ask = |object: &u32| policy.request(*object, trace.bytes[*object as usize]);
    warm_up.iter().for_each(|object| {
        ask(object);
    });
    let hits = counted.iter().filter(|object| ask(object)).count();
    100.0 * hits as f64 / counted.len() as f64
}

pub(super) fn run(bench: &Bench<'_>) -> anyhow::Result<Vec<Figure>> {
    bench.progress.set_message(format!("{NAME}: the trace"));
    let trace = Trace::new()?;
    let objects = trace.bytes.len();
    let policies: [(&str, Box<dyn Policy>); 5] = [
        ("LRU", Box::new(Lru::new(objects, BUDGET))),
        ("S3-FIFO", Box::new(S3Fifo::new(objects, BUDGET))),
        ("W-TinyLFU", Box::new(WTinyLfu::new(objects, BUDGET))),
        ("quick_cache in one shard", Box::new(Ours::new(BUDGET, Some(1))?)),
        ("ours", Box::new(Ours::new(BUDGET, None)?)),
    ];
    let total = trace.bytes.iter().map(|bytes| u64::from(*bytes)).sum::<u64>();
    let counted = trace.requests.len() - trace.warm_up;
    let mut figures = vec![
        Figure::new(NAME, "distinct objects", objects as f64, "objects"),
        Figure::new(NAME, "bytes of all objects, as multiple of the budget", total as f64 / BUDGET as f64, "x"),
        Figure::new(NAME, "requests that count (Zipf 0.9)", counted as f64, "requests"),
    ];
    let (mut best, mut ours): (f64, f64) = (0.0, 0.0);
    for (name, mut policy) in policies {
        bench.progress.set_message(format!("{NAME}: {name}"));
        let percent = hit_percent(policy.as_mut(), &trace);
        match name {
            "ours" => ours = percent,
            "quick_cache in one shard" => {}
            _ => best = best.max(percent),
        }
        figures.push(Figure::new(NAME, format!("hits of {name}"), percent, "%"));
    }
    figures.push(Figure::new(NAME, "ours behind the best of the three", best - ours, "points").at_most(AT_MOST_POINTS));
    Ok(figures)
}
