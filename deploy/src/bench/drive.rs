//! Many callers in closed loops, for a while.

use std::{
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

/// Latencies are told between 1 us and a minute, with three digits.
const LONGEST_US: u64 = 60_000_000;

/// One round of one bench.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    pub(super) ops_per_s: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) errors: u64,
}

/// Runs `callers` loops over `call` for `time`. A call gives how many operations it got done, or `None` for an error.
pub(super) async fn round<F, C>(callers: usize, time: Duration, call: F) -> anyhow::Result<Round>
where
    F: Fn(usize) -> C + Send + Sync + 'static,
    C: Future<Output = Option<u64>> + Send,
{
    let (call, began) = (Arc::new(call), Instant::now());
    let loops: Vec<_> = (0..callers)
        .map(|caller| {
            let call = call.clone();
            tokio::spawn(async move {
                let mut latencies = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3)?;
                let (mut done, mut errors) = (0_u64, 0_u64);
                while began.elapsed() < time {
                    let asked = Instant::now();
                    match call(caller).await {
                        Some(operations) => {
                            done += operations;
                            latencies.saturating_record(u64::try_from(asked.elapsed().as_micros()).unwrap_or(LONGEST_US));
                        }
                        None => errors += 1,
                    }
                }
                anyhow::Ok((latencies, done, errors))
            })
        })
        .collect();
    let (mut all, mut done, mut errors) = (Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3)?, 0, 0);
    for caller in loops {
        let (latencies, operations, failed) = caller.await??;
        all.add(latencies)?;
        done += operations;
        errors += failed;
    }
    let ops_per_s = done as f64 / began.elapsed().as_secs_f64();
    Ok(Round { ops_per_s, p50_us: all.value_at_quantile(0.5), p99_us: all.value_at_quantile(0.99), errors })
}
