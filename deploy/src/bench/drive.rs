//! Many callers in closed loops, for a while, on one thread: the load generator must not take turns with itself.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::LocalSet;

/// Latencies are told between 1 us and a minute, with three digits.
const LONGEST_US: u64 = 60_000_000;

/// One round of one bench.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Round {
    pub(super) ops_per_s: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) errors: u64,
}

/// Runs each caller's loop for `time`. A call gives how many operations it got done, or `None` for an error.
pub(super) async fn round<C>(callers: Vec<C>, time: Duration) -> anyhow::Result<Round>
where
    C: AsyncFnMut() -> Option<u64> + 'static,
{
    let (loops, began) = (LocalSet::new(), Instant::now());
    let end = Rc::new(began + time);
    let running: Vec<_> = callers.into_iter().map(|caller| loops.spawn_local(closed_loop(caller, *end))).collect();
    let (mut all, mut done, mut errors) = (Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3)?, 0, 0);
    let counted = loops.run_until(async {
        for caller in running {
            let (latencies, operations, failed) = caller.await??;
            all.add(latencies)?;
            done += operations;
            errors += failed;
        }
        anyhow::Ok(())
    });
    counted.await?;
    let ops_per_s = done as f64 / began.elapsed().as_secs_f64();
    Ok(Round { ops_per_s, p50_us: all.value_at_quantile(0.5), p99_us: all.value_at_quantile(0.99), errors })
}

async fn closed_loop(mut call: impl AsyncFnMut() -> Option<u64>, end: Instant) -> anyhow::Result<(Histogram<u64>, u64, u64)> {
    let mut latencies = Histogram::<u64>::new_with_bounds(1, LONGEST_US, 3)?;
    let (mut done, mut errors) = (0_u64, 0_u64);
    let mut asked = Instant::now();
    while asked < end {
        let answered = call().await;
        let now = Instant::now();
        match answered {
            Some(operations) => {
                done += operations;
                latencies.saturating_record(u64::try_from((now - asked).as_micros()).unwrap_or(LONGEST_US));
            }
            None => errors += 1,
        }
        asked = now;
    }
    Ok((latencies, done, errors))
}
