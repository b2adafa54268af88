//! What clients saw, by second, region and kind of request.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::run::{Load, Sample};

/// Latencies are told between 1 us and a minute, with two digits: a histogram of a second is small then.
const LONGEST_US: u64 = 60_000_000;

/// Of one run, shared by all clients.
#[derive(Debug)]
pub struct Meter {
    began: Instant,
    seen: Mutex<Seen>,
}

/// What came of the requests of some seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub ok: u64,
    pub failed: u64,
    /// Still without an answer.
    pub open: u64,
    pub p99_us: u64,
    /// Regions in which something was due and nothing succeeded.
    pub silent: Vec<String>,
}

#[derive(Debug, Default)]
struct Seen {
    cells: BTreeMap<(u64, String, &'static str), Cell>,
    /// What was due in a second and has no answer yet.
    open: BTreeMap<(u64, String, &'static str), u64>,
    load: Load,
}

#[derive(Debug)]
struct Cell {
    ok_us: Histogram<u64>,
    errors: BTreeMap<String, u64>,
}

impl Meter {
    pub fn new(began: Instant) -> Self {
        Self { began, seen: Mutex::default() }
    }

    /// Nanoseconds since the run began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Somebody came, and the generator was so late.
    pub fn came(&self, due: Instant) {
        let lag_us = microseconds(due.elapsed());
        self.with(|seen| {
            seen.load.offered += 1;
            seen.load.lag_us = seen.load.lag_us.max(lag_us);
        });
    }

    /// Too many were under way.
    pub fn shed(&self, due: Instant, region: &str, kind: &'static str) {
        self.with(|seen| seen.load.shed += 1);
        self.note(due, region, kind, Some("shed"));
    }

    fn second(&self, due: Instant) -> u64 {
        due.saturating_duration_since(self.began).as_secs()
    }

    /// A request is due now: until it is noted, or left, it has no answer.
    pub fn awaits(&self, due: Instant, region: &str, kind: &'static str) {
        let second = self.second(due);
        self.with(|seen| *seen.open.entry((second, region.to_owned(), kind)).or_default() += 1);
    }

    /// Who asked went away, and that is no error of the shop.
    pub fn left(&self, due: Instant, region: &str, kind: &'static str) {
        let second = self.second(due);
        self.with(|seen| seen.close(second, region, kind));
    }

    /// A request that was due then has its answer now, or `error`.
    pub fn note(&self, due: Instant, region: &str, kind: &'static str, error: Option<&str>) {
        let (second, took_us) = (self.second(due), microseconds(due.elapsed()));
        self.with(|seen| {
            seen.close(second, region, kind);
            let cell = seen.cells.entry((second, region.to_owned(), kind)).or_insert_with(Cell::new);
            match error {
                None => cell.ok_us.saturating_record(took_us),
                Some(error) => *cell.errors.entry(error.to_owned()).or_default() += 1,
            }
        });
    }

    /// Milliseconds of the run at that moment.
    pub fn ms_at(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// Requests that were due in these seconds; of every kind where none is named.
    pub fn summary(&self, kind: Option<&str>, seconds: std::ops::Range<u64>) -> Summary {
        self.with(|seen| {
            let (mut sum, mut failed, mut open) = (Cell::new(), 0, 0);
            let mut regions: BTreeMap<&str, u64> = BTreeMap::new();
            let is_meant = |second: &u64, of: &str| seconds.contains(second) && kind.is_none_or(|kind| kind == of);
            for ((_, region, _), cell) in seen.cells.iter().filter(|((second, _, of), _)| is_meant(second, of)) {
                // Both have the same bounds.
                let _ = sum.ok_us.add(&cell.ok_us);
                failed += cell.errors.values().sum::<u64>();
                *regions.entry(region).or_default() += cell.ok_us.len();
            }
            for ((_, region, _), count) in seen.open.iter().filter(|((second, _, of), _)| is_meant(second, of)) {
                open += count;
                regions.entry(region).or_default();
            }
            let silent = regions.into_iter().filter(|(_, ok)| *ok == 0).map(|(region, _)| region.to_owned()).collect();
            Summary { ok: sum.ok_us.len(), failed, open, p99_us: sum.ok_us.value_at_quantile(0.99), silent }
        })
    }

    /// All of it so far.
    pub fn samples(&self) -> (Vec<Sample>, Load) {
        self.with(|seen| {
            let sample = |((second, region, kind), cell): (&(u64, String, &'static str), &Cell)| Sample {
                second: *second,
                region: region.clone(),
                kind: (*kind).to_owned(),
                ok: cell.ok_us.len(),
                errors: cell.errors.clone(),
                p50_us: cell.ok_us.value_at_quantile(0.5),
                p99_us: cell.ok_us.value_at_quantile(0.99),
                p999_us: cell.ok_us.value_at_quantile(0.999),
                max_us: cell.ok_us.max(),
            };
            (seen.cells.iter().map(sample).collect(), seen.load)
        })
    }
}

impl Seen {
    fn close(&mut self, second: u64, region: &str, kind: &'static str) {
        let key = (second, region.to_owned(), kind);
        if let Some(open) = self.open.get_mut(&key) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&key);
            }
        }
    }
}

impl Cell {
    fn new() -> Self {
        // The bounds are constants that a histogram takes.
        let ok_us = Histogram::new_with_bounds(1, LONGEST_US, 2).unwrap_or_else(|_| unreachable!("1 to a minute in two digits"));
        Self { ok_us, errors: BTreeMap::new() }
    }
}

fn microseconds(of: Duration) -> u64 {
    u64::try_from(of.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_from_the_time_a_request_was_due_and_belong_to_that_second() {
        // The run began a while ago.
        let began = Instant::now().checked_sub(Duration::from_millis(2_500)).unwrap();
        let meter = Meter::new(began);
        meter.note(began + Duration::from_millis(500), "eu", "checkout", None);
        meter.note(began + Duration::from_millis(700), "eu", "checkout", Some("503"));
        meter.came(began + Duration::from_millis(2_400));
        meter.shed(began + Duration::from_millis(2_400), "us", "checkout");
        let first = meter.summary(Some("checkout"), 0..1);
        assert!((first.ok, first.failed) == (1, 1) && first.p99_us >= 1_980_000, "{first:?}");
        assert_eq!((meter.summary(None, 0..3).failed, meter.summary(Some("browse"), 0..3)), (2, Summary::default()));
        let (samples, load) = meter.samples();
        assert_eq!((samples[0].second, samples[0].ok, samples[0].failed()), (0, 1, 1));
        assert!(samples[0].p99_us >= 1_980_000, "{samples:?}");
        assert_eq!((samples[1].second, samples[1].errors["shed"]), (2, 1));
        assert!((load.offered, load.shed) == (1, 1) && load.lag_us >= 100_000, "{load:?}");
    }
}
