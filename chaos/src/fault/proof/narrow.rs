//! Whether a narrow link is narrow: bytes spend time on it that anybody would notice, by what went over it and what it lets through.

use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

use fault_proxy::{Condition, LinkView};
use tokio::time::{Instant, sleep};

use super::{
    super::{inject::Injector, plan::LinkCondition},
    LOOK, Proof, SHOWS_WITHIN,
};

/// The share of a look that bytes have to spend on the line: of a tenth of a second, five milliseconds. A link that is wider than anything that
/// goes over it takes microseconds, and was not what kept anybody waiting.
const LEAST_BUSY: f64 = 0.05;

pub(super) fn is_narrow(condition: &Condition) -> bool {
    condition.forward.bytes_per_s.is_some() || condition.backward.bytes_per_s.is_some()
}

/// What is idle is not slowed, and a limit that nobody comes near does nothing.
pub(super) async fn narrow(injector: &Injector, conditions: &[LinkCondition]) -> anyhow::Result<Proof> {
    let (began, mut before) = (Instant::now(), BTreeMap::new());
    let mut most = 0.0;
    while began.elapsed() < SHOWS_WITHIN {
        let links = injector.links().await?;
        let now = Instant::now();
        for link in links.into_iter().filter(|link| conditions.iter().any(|of| of.links.contains(&link.name))) {
            if let Some((then, was)) = before.get(&link.name) {
                let time = now.duration_since(*then);
                let busy = busy(was, &link, time);
                if busy >= LEAST_BUSY && link.throttled > was.throttled {
                    let (ms, times) = (busy * time.as_secs_f64() * 1e3, link.throttled - was.throttled);
                    return Ok(Proof::Bit(format!(
                        "{} took {ms:.0} ms of {time:.0?} for what went over it, and made bytes wait {times} times",
                        link.name
                    )));
                }
                most = f64::max(most, busy);
            }
            before.insert(link.name.clone(), (now, link));
        }
        sleep(LOOK).await;
    }
    Ok(Proof::Missed(format!(
        "no link was busy for more than {:.1} % of a tenth of a second: too little goes over links that are so wide",
        most * 100.0
    )))
}

/// The share of that time that a link took for what went over it, in the direction that took longer.
fn busy(was: &LinkView, is: &LinkView, time: Duration) -> f64 {
    let share = |rate: Option<NonZeroU64>, was: u64, is: u64| {
        let most = rate.map(|rate| rate.get() as f64 * time.as_secs_f64());
        most.map_or(0.0, |most| is.saturating_sub(was) as f64 / most)
    };
    let forward = share(is.now.forward.bytes_per_s, was.forward_bytes, is.forward_bytes);
    forward.max(share(is.now.backward.bytes_per_s, was.backward_bytes, is.backward_bytes))
}

#[cfg(test)]
mod tests {
    use fault_proxy::Way;

    use super::*;

    fn link(bytes_per_s: u64, forward_bytes: u64, backward_bytes: u64) -> LinkView {
        let end = "127.0.0.1:1".parse().unwrap();
        let (name, from, to) = ("a>b".to_owned(), "a".to_owned(), "b".to_owned());
        let now = Condition::both_ways(Way { bytes_per_s: NonZeroU64::new(bytes_per_s), ..Way::default() });
        LinkView {
            name,
            from,
            to,
            listen: end,
            target: end,
            base: Condition::default(),
            now,
            faults: Vec::new(),
            open_connections: 1,
            accepted_connections: 1,
            reset_connections: 0,
            forward_bytes,
            backward_bytes,
            throttled: 0,
        }
    }

    #[test]
    fn a_link_is_narrow_where_bytes_spend_time_on_it_and_not_where_it_is_wider_than_all_that_goes_over_it() {
        let of = |rate, forward: u64, backward: u64| {
            busy(&link(rate, 1_000, 1_000), &link(rate, 1_000 + forward, 1_000 + backward), Duration::from_millis(100))
        };
        assert!((of(10_000, 1_000, 0) - 1.0).abs() < 1e-9 && (of(10_000, 20, 50) - LEAST_BUSY).abs() < 1e-9);
        // Ten megabytes a second are nothing to a gigabyte a second.
        assert!(of(1_000_000_000, 1_000_000, 1_000_000) < LEAST_BUSY);
        assert!(of(0, 1_000_000, 0) < LEAST_BUSY, "it is not narrow");
    }
}
