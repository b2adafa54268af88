//! What clients saw, by second, region and kind of request.

use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::time::Instant;

use super::latencies::{Latencies, histogram};
use crate::run::{Load, Sample};

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

/// A second, a region and a kind.
type Key = (u64, String, &'static str);

/// Of three hours, three regions and three kinds there are 100,000 cells.
#[derive(Debug)]
struct Seen {
    cells: BTreeMap<Key, Cell>,
    /// What was due in a second and has no answer yet.
    open: BTreeMap<Key, u64>,
    load: Load,
    /// For sums of cells, and empty in between.
    sum: Histogram<u64>,
}

#[derive(Debug, Default)]
struct Cell {
    ok_us: Latencies,
    errors: BTreeMap<String, u64>,
}

impl Meter {
    pub fn new(began: Instant) -> Self {
        Self { began, seen: Mutex::new(Seen::new()) }
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
            let cell = seen.cells.entry((second, region.to_owned(), kind)).or_default();
            match error {
                None => cell.ok_us.record(&seen.sum, took_us),
                Some(error) => *cell.errors.entry(error.to_owned()).or_default() += 1,
            }
        });
    }

    /// Milliseconds of the run at that moment.
    pub fn ms_at(&self, moment: Instant) -> u64 {
        u64::try_from(moment.saturating_duration_since(self.began).as_millis()).unwrap_or(u64::MAX)
    }

    /// Requests that were due in these seconds; of every kind where none is named.
    pub fn summary(&self, kind: Option<&str>, seconds: Range<u64>) -> Summary {
        if seconds.is_empty() {
            return Summary::default();
        }
        self.with(|Seen { cells, open: waiting, sum, .. }| {
            let (mut failed, mut open) = (0, 0);
            let mut regions: BTreeMap<&str, u64> = BTreeMap::new();
            let is_meant = |of: &str| kind.is_none_or(|kind| kind == of);
            for ((_, region, _), cell) in cells.range(keys(&seconds)).filter(|((.., of), _)| is_meant(of)) {
                cell.ok_us.add_to(sum);
                failed += cell.errors.values().sum::<u64>();
                *regions.entry(region).or_default() += cell.ok_us.count();
            }
            for ((_, region, _), count) in waiting.range(keys(&seconds)).filter(|((.., of), _)| is_meant(of)) {
                open += count;
                regions.entry(region).or_default();
            }
            let silent = regions.into_iter().filter(|(_, ok)| *ok == 0).map(|(region, _)| region.to_owned()).collect();
            let summary = Summary { ok: sum.len(), failed, open, p99_us: sum.value_at_quantile(0.99), silent };
            sum.reset();
            summary
        })
    }

    /// All of it so far.
    pub fn samples(&self) -> (Vec<Sample>, Load) {
        self.with(|Seen { cells, load, sum, .. }| {
            let sample = |((second, region, kind), cell): (&Key, &Cell)| {
                cell.ok_us.add_to(sum);
                let sample = Sample {
                    second: *second,
                    region: region.clone(),
                    kind: (*kind).to_owned(),
                    ok: sum.len(),
                    errors: cell.errors.clone(),
                    p50_us: sum.value_at_quantile(0.5),
                    p99_us: sum.value_at_quantile(0.99),
                    p999_us: sum.value_at_quantile(0.999),
                    max_us: sum.max(),
                };
                sum.reset();
                sample
            };
            (cells.iter().map(sample).collect(), *load)
        })
    }
}

/// Before every region and kind of the first second, up to before those of the last.
fn keys(seconds: &Range<u64>) -> Range<Key> {
    (seconds.start, String::new(), "")..(seconds.end, String::new(), "")
}

impl Seen {
    fn new() -> Self {
        Self { cells: BTreeMap::new(), open: BTreeMap::new(), load: Load::default(), sum: histogram() }
    }

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

    #[test]
    fn what_has_no_answer_yet_is_open_and_a_region_that_is_not_served_is_silent() {
        let began = Instant::now().checked_sub(Duration::from_millis(3_500)).unwrap();
        let (meter, at) = (Meter::new(began), |ms| began + Duration::from_millis(ms));
        for (ms, region) in [(100, "eu"), (200, "eu"), (300, "us"), (1_100, "us")] {
            meter.awaits(at(ms), region, "checkout");
        }
        let told = |seconds| {
            let Summary { ok, failed, open, silent, .. } = meter.summary(Some("checkout"), seconds);
            (ok, failed, open, silent.join(" "))
        };
        assert_eq!(told(0..2), (0, 0, 4, "eu us".to_owned()));
        meter.note(at(100), "eu", "checkout", None);
        meter.note(at(300), "us", "checkout", Some("503"));
        assert_eq!(told(0..1), (1, 1, 1, "us".to_owned()), "refused is not served");
        meter.left(at(200), "eu", "checkout");
        assert_eq!(told(0..1), (1, 1, 0, "us".to_owned()), "whoever left waits no more");
        meter.note(at(1_100), "us", "checkout", None);
        assert_eq!((told(1..2), told(0..2)), ((1, 0, 0, String::new()), (2, 1, 0, String::new())));
        meter.awaits(at(2_100), "ap", "browse");
        assert_eq!((told(2..3), meter.summary(None, 2..3).silent), ((0, 0, 0, String::new()), vec!["ap".to_owned()]));
        assert_eq!(told(3..3), (0, 0, 0, String::new()));
        assert_eq!(meter.samples().0.len(), 3, "nothing is told twice, and what is open is no answer");
    }
}
