//! Looks at every connection of a thread once a second, a tenth of them at a time.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::{
    Handler,
    life::{TICKS_PER_SECOND, judge},
    worker::Worker,
};

/// Moves the thread's clock and gives orders. Never returns.
pub(super) async fn sweep<H: Handler>(worker: &Worker<H>) {
    let mut tick = interval(Duration::from_secs(1) / TICKS_PER_SECOND);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    // The clock follows the real one also when ticks are missed.
    let began = tick.tick().await;
    let mut parked = [0; TICKS_PER_SECOND as usize];
    loop {
        let elapsed = (tick.tick().await - began).as_millis() * u128::from(TICKS_PER_SECOND) / 1000;
        let before = worker.now.get();
        let now = u32::try_from(elapsed).unwrap_or(u32::MAX).max(before);
        worker.now.set(now);
        // Those whose turn was missed are looked at too.
        for turn in (before..now).rev().take(TICKS_PER_SECOND as usize) {
            let part = (turn % TICKS_PER_SECOND) as usize;
            parked[part] = look(worker, part);
        }
        if now / TICKS_PER_SECOND != before / TICKS_PER_SECOND {
            worker.tell_metrics(parked.iter().sum());
        }
    }
}

/// How many of this part wait without buffers.
fn look<H: Handler>(worker: &Worker<H>, part: usize) -> usize {
    let (lives, parts) = (worker.lives.borrow(), TICKS_PER_SECOND as usize);
    let (first, end) = (lives.capacity() * part / parts, lives.capacity() * (part + 1) / parts);
    let (draining, is_crowded) = (worker.drains_since(), worker.is_crowded());
    let mut parked = 0;
    for life in (first..end).filter_map(|at| lives.get(at)) {
        parked += usize::from(life.is_parked());
        if let Some(order) = judge(life.seen(worker.stall_limit, draining, is_crowded)) {
            life.tell(order);
        }
    }
    parked
}
