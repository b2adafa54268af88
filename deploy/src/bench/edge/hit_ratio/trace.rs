//! The stream of requests and the sizes of what is asked for; the same in every run.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, LogNormal, Zipf};

/// Distinct objects.
const OBJECTS: u32 = 1_000_000;

/// The nth most popular object is asked for in proportion to `n^-0.9`.
const SKEW: f64 = 0.9;

/// Requests that fill the cache, and those that count. The budget holds about 40,000 objects, so all of it was used many times over.
const WARM_UP: usize = 5_000_000;
const COUNTED: usize = 10_000_000;

/// Sizes: log-normal with a median of 8 KiB and sigma 1.2, as of pages, data and pictures of a shop, between 256 bytes and 1 MiB.
const MEDIAN_BYTES: f64 = 8_192.0;
const SIGMA: f64 = 1.2;
const SMALLEST: f64 = 256.0;
const LARGEST: f64 = 1_048_576.0;

const SEED: u64 = 0x5eed_0f0b_1ec7_0001;

/// Objects are numbers from 0, the most popular first.
#[derive(Debug)]
pub(super) struct Trace {
    /// Size of each object.
    pub(super) bytes: Vec<u32>,
    pub(super) requests: Vec<u32>,
    /// How many of the requests do not count.
    pub(super) warm_up: usize,
}

impl Trace {
    pub(super) fn new() -> anyhow::Result<Self> {
        Self::of(OBJECTS, WARM_UP, COUNTED)
    }

    fn of(objects: u32, warm_up: usize, counted: usize) -> anyhow::Result<Self> {
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let sizes = LogNormal::new(MEDIAN_BYTES.ln(), SIGMA)?;
        let bytes = (0..objects).map(|_| whole(sizes.sample(&mut random).clamp(SMALLEST, LARGEST))).collect();
        let ranks = Zipf::new(f64::from(objects), SKEW)?;
        let requests = (0..warm_up + counted).map(|_| rank(&ranks, &mut random, objects)).collect();
        Ok(Self { bytes, requests, warm_up })
    }
}

/// The distribution counts ranks from 1.
fn rank(ranks: &Zipf<f64>, random: &mut impl Rng, objects: u32) -> u32 {
    whole(ranks.sample(random)).clamp(1, objects) - 1
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes and ranks lie between 0 and 2^20")]
fn whole(value: f64) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of single ranks against `n^-s / H(N, s)`, and of the first hundredth of all.
    #[test]
    fn popularity_falls_with_the_power_of_the_rank() {
        let (objects, counted) = (10_000_u32, 1_000_000_usize);
        let trace = Trace::of(objects, 0, counted).unwrap();
        let mut times = vec![0_u32; objects as usize];
        trace.requests.iter().for_each(|object| times[*object as usize] += 1);
        let weight = |rank: u32| f64::from(rank).powf(-SKEW);
        let harmonic: f64 = (1..=objects).map(weight).sum();
        for rank in [1_u32, 2, 10, 100] {
            let (share, expected) = (f64::from(times[rank as usize - 1]) / counted as f64, weight(rank) / harmonic);
            // Four standard deviations of a binomial share.
            let tolerance = 4.0 * (expected / counted as f64).sqrt();
            assert!((share - expected).abs() < tolerance, "rank {rank}: {share} instead of {expected}");
        }
        let head = f64::from(times[..100].iter().sum::<u32>()) / counted as f64;
        let expected = (1..=100).map(weight).sum::<f64>() / harmonic;
        assert!((head - expected).abs() < 0.005, "{head} instead of {expected}");
    }

    #[test]
    fn sizes_have_their_median_and_the_trace_repeats_itself() {
        let trace = Trace::of(20_000, 10, 10).unwrap();
        let mut sizes = trace.bytes.clone();
        sizes.sort_unstable();
        let median = f64::from(sizes[sizes.len() / 2]);
        assert!((median / MEDIAN_BYTES - 1.0).abs() < 0.05, "{median}");
        assert!(f64::from(sizes[0]) >= SMALLEST && f64::from(sizes[sizes.len() - 1]) <= LARGEST);
        assert_eq!(trace.requests, Trace::of(20_000, 10, 10).unwrap().requests);
    }
}
