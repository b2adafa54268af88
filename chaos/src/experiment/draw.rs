//! Faults that a seed draws. Pure: the same seed draws the same.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Random, Step};

/// Steps over the time, one every `every`, somewhere in the first half of it; what is drawn ends before the time is over.
pub fn draw(of: &Random, seed: u64) -> Vec<Step> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut steps, mut begins) = (Vec::new(), Duration::ZERO);
    while begins < of.time {
        let late_ms = u64::try_from((of.every / 2).as_millis()).unwrap_or(u64::MAX);
        let at = begins + Duration::from_millis(random.random_range(0..=late_ms));
        let pick = of.picks[random.random_range(0..of.picks.len())].clone();
        if at + pick.time <= of.time {
            steps.push(Step { line: 0, at, seed: None, pick });
        }
        begins += of.every;
    }
    steps
}
