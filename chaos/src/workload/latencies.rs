//! The latencies of some requests, each as often as it was seen. Pure.
//!
//! A histogram of three seconds' worth of buckets for a handful of answers would be most of a generator's memory: each second of each region and
//! kind has one of these. Here only what was seen takes room; sums and quantiles are the histogram's.

use hdrhistogram::Histogram;

/// Latencies are told between 1 us and a minute, with two digits.
const LONGEST_US: u64 = 60_000_000;

/// An empty histogram, to add them up in; and what rounds them.
pub(super) fn histogram() -> Histogram<u64> {
    // The bounds are constants that a histogram takes.
    Histogram::new_with_bounds(1, LONGEST_US, 2).unwrap_or_else(|_| unreachable!("1 to a minute in two digits"))
}

/// In order of latency; at most as many as a histogram has buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Latencies(Vec<(u32, u32)>);

impl Latencies {
    /// `scale`: any histogram of [`histogram`].
    pub(super) fn record(&mut self, scale: &Histogram<u64>, us: u64) {
        let rounded = scale.lowest_equivalent(us.clamp(1, LONGEST_US));
        // A minute in microseconds fits.
        let rounded = u32::try_from(rounded).unwrap_or(u32::MAX);
        match self.0.binary_search_by_key(&rounded, |(us, _)| *us) {
            Ok(at) => self.0[at].1 = self.0[at].1.saturating_add(1),
            Err(at) => self.0.insert(at, (rounded, 1)),
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    pub(super) fn add_to(&self, sum: &mut Histogram<u64>) {
        self.0.iter().for_each(|(us, count)| sum.saturating_record_n(u64::from(*us), u64::from(*count)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUANTILES: [f64; 4] = [0.5, 0.99, 0.999, 1.0];

    proptest! {
        /// Against the histogram that has a place for everything.
        #[test]
        fn they_tell_what_a_whole_histogram_would(seen in prop::collection::vec((0_u64..120_000_000, 0_u32..20), 0..300)) {
            let (scale, mut whole, mut kept, mut sum) = (histogram(), histogram(), Latencies::default(), histogram());
            for us in seen.iter().map(|(us, fewer)| us >> fewer) {
                whole.saturating_record(us.clamp(1, LONGEST_US));
                kept.record(&scale, us);
            }
            kept.add_to(&mut sum);
            prop_assert_eq!((kept.count(), sum.max()), (whole.len(), whole.max()));
            prop_assert_eq!(QUANTILES.map(|of| sum.value_at_quantile(of)), QUANTILES.map(|of| whole.value_at_quantile(of)));
        }
    }

    #[test]
    fn only_what_was_seen_takes_room() {
        let (scale, mut kept) = (histogram(), Latencies::default());
        (0..1_000_000).for_each(|nth| kept.record(&scale, 20_000 + nth % 4));
        assert_eq!(kept.0.len(), 1);
        (0..LONGEST_US).step_by(97).for_each(|us| kept.record(&scale, us));
        assert!(kept.0.len() <= scale.distinct_values(), "{} of {}", kept.0.len(), scale.distinct_values());
    }
}
