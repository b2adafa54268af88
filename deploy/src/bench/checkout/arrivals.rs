//! Shoppers who come at a fixed rate, whether or not the last was answered; latencies from the time each was due.

use std::{cell::RefCell, rc::Rc, time::Duration};

use hdrhistogram::Histogram;
use tokio::{task::LocalSet, time::Instant};

use super::shoppers::Shoppers;
use crate::bench::figures::Figure;

/// Pause between two looks at who is due.
const TICK: Duration = Duration::from_millis(1);

/// Load before it counts.
const WARM_UP: Duration = Duration::from_secs(1);

/// Latencies are told between 1 us and a minute, with three digits.
const LONGEST_US: u64 = 60_000_000;

/// What those saw who were due after the warm-up.
pub(super) struct Seen {
    checkouts_us: Histogram<u64>,
    failed: u64,
}

impl Seen {
    pub(super) fn figures(&self, bench: &'static str, p99_ms: f64) -> Vec<Figure> {
        let ms = |quantile| self.checkouts_us.value_at_quantile(quantile) as f64 / 1e3;
        vec![
            Figure::new(bench, "p50 there, from when the shopper came to the answer of the purchase", ms(0.5), "ms"),
            Figure::new(bench, "p99 there", ms(0.99), "ms").at_most(p99_ms),
            Figure::new(bench, "failed there", self.failed as f64, "checkouts").at_most(0.0),
        ]
    }
}

/// Offers `rate` shoppers a second for `time`.
pub(super) async fn offer(shoppers: &Rc<Shoppers>, rate: f64, time: Duration) -> anyhow::Result<Seen> {
    let seen = Seen { checkouts_us: Histogram::new_with_bounds(1, LONGEST_US, 3)?, failed: 0 };
    let (seen, loops, began) = (Rc::new(RefCell::new(seen)), LocalSet::new(), Instant::now());
    let whole = (time + WARM_UP).as_secs_f64();
    loops
        .run_until(async {
            let mut sent = 0.0;
            while sent < (rate * whole).floor() {
                let due = (began.elapsed().as_secs_f64() * rate).min(rate * whole);
                while sent < due.floor() {
                    let when = began + Duration::from_secs_f64(sent / rate);
                    let (shoppers, seen) = (shoppers.clone(), seen.clone());
                    tokio::task::spawn_local(async move {
                        let done = shoppers.buy().await;
                        if when < began + WARM_UP {
                            return;
                        }
                        let mut seen = seen.borrow_mut();
                        match done {
                            Ok(_) => seen
                                .checkouts_us
                                .saturating_record(u64::try_from(when.elapsed().as_micros()).unwrap_or(LONGEST_US)),
                            Err(_) => seen.failed += 1,
                        }
                    });
                    sent += 1.0;
                }
                tokio::time::sleep(TICK).await;
            }
        })
        .await;
    loops.await;
    Rc::into_inner(seen).map(RefCell::into_inner).ok_or_else(|| anyhow::anyhow!("a shopper is still there"))
}
