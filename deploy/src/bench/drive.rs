//! Many callers in closed loops, for a while, on one thread: the load generator must not take turns with itself.

use std::{
    cell::RefCell,
    ops::Range,
    rc::Rc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::task::LocalSet;

/// Latencies are told between 1 us and a minute, with three digits.
const LONGEST_US: u64 = 60_000_000;

/// Load before a round counts: as long as for the peers.
const WARM_UP: Duration = Duration::from_secs(1);

/// One round of one bench.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(super) struct Round {
    pub(super) ops_per_s: f64,
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) errors: u64,
}

/// What all callers saw. They are on one thread and share it: a histogram each would push everything else out of the caches.
struct Tally {
    latencies: Histogram<u64>,
    done: u64,
    errors: u64,
}

/// Runs each caller's loop: some time that does not count, then for `time`. A call gives how many operations it got done, or
/// `None` for an error.
pub(super) async fn round<C>(callers: Vec<C>, time: Duration) -> anyhow::Result<Round>
where
    C: AsyncFnMut() -> Option<u64> + 'static,
{
    let latencies = Histogram::new_with_bounds(1, LONGEST_US, 3)?;
    let (loops, tally) = (LocalSet::new(), Rc::new(RefCell::new(Tally { latencies, done: 0, errors: 0 })));
    let from = Instant::now() + WARM_UP;
    for caller in callers {
        loops.spawn_local(closed_loop(caller, from..from + time, tally.clone()));
    }
    loops.await;
    let all = tally.borrow();
    let at = |quantile| all.latencies.value_at_quantile(quantile);
    Ok(Round { ops_per_s: all.done as f64 / time.as_secs_f64(), p50_us: at(0.5), p99_us: at(0.99), errors: all.errors })
}

/// Counts what was answered within `counted`.
async fn closed_loop(mut call: impl AsyncFnMut() -> Option<u64>, counted: Range<Instant>, tally: Rc<RefCell<Tally>>) {
    let mut asked = Instant::now();
    while asked < counted.end {
        let answered = call().await;
        let now = Instant::now();
        if counted.contains(&now) {
            let mut tally = tally.borrow_mut();
            match answered {
                Some(operations) => {
                    tally.done += operations;
                    tally.latencies.saturating_record(u64::try_from((now - asked).as_micros()).unwrap_or(LONGEST_US));
                }
                None => tally.errors += 1,
            }
        }
        asked = now;
    }
}
