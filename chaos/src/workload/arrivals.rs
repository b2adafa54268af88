//! Arrivals at a fixed rate, whether or not the last was answered: a slow system does not slow them, as a closed loop would.

use std::time::Duration;

use tokio::time::Instant;

/// Pause between two looks at who is due.
const TICK: Duration = Duration::from_millis(1);

/// Calls `begin` for each arrival with its number and the time at which it was due; that may be a little ago. Latencies are to be told from
/// there: what waited for the generator waited too (coordinated omission).
pub async fn offer(rate: f64, time: Duration, mut begin: impl FnMut(u64, Instant)) {
    let began = Instant::now();
    let all = (time.as_secs_f64() * rate).floor();
    let (mut sent, mut nth) = (0.0, 0);
    while sent < all {
        let due = (began.elapsed().as_secs_f64() * rate).min(all).floor();
        while sent < due {
            begin(nth, began + Duration::from_secs_f64(sent / rate));
            sent += 1.0;
            nth += 1;
        }
        tokio::time::sleep(TICK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everybody_is_due_at_their_time_however_late_the_generator_is() {
        let mut due: Vec<(u64, Instant)> = Vec::new();
        offer(500.0, Duration::from_millis(200), |nth, when| due.push((nth, when))).await;
        assert_eq!(due.len(), 100);
        let first = due[0].1;
        assert!(due.iter().all(|(nth, when)| (*when - first).as_micros() == u128::from(nth * 2_000)), "{due:?}");
    }
}
