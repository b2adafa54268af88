//! Schedules by seed: which faults, how hard, how long, and how soon after each other. Pure.

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::experiment::{Experiment, Pick, Random, Step, Wrong, parse, show};

/// Most steps of one schedule: what a person still reads. Shrinking takes about the square of it in runs at the worst.
const MOST_STEPS: usize = 40;

/// Times are whole tenths of a second.
const GRAIN_MS: u64 = 100;

#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error("{0:?} has no [random], so there is nothing to draw from; `chaos explain everything` shows one that has")]
    Nothing(String),
    #[error("each fault of [random] takes longer than {}, so none fits into a run; --for is how long faults go on", show(*.0))]
    NoneFits(Duration),
    #[error("what was drawn is no experiment: {0}")]
    Wrong(#[from] Wrong),
    #[error("what was drawn cannot be written down: {0}")]
    Unwritable(#[from] toml::de::Error),
}

/// What schedules are drawn from.
#[derive(Clone, Debug)]
pub struct Drawn {
    base: Experiment,
    random: Random,
    overlap: bool,
}

impl Drawn {
    /// `time` and `every` stand for those of the file; with `overlap` a fault does not wait for the one before to be healed.
    pub fn from(base: Experiment, (time, every): (Option<Duration>, Option<Duration>), overlap: bool) -> Result<Self, DrawError> {
        let Some(of) = base.random.clone() else { return Err(DrawError::Nothing(base.name)) };
        let random = Random { time: time.unwrap_or(of.time), every: every.unwrap_or(of.every), picks: of.picks };
        if random.picks.iter().all(|pick| pick.time > random.time) {
            return Err(DrawError::NoneFits(random.time));
        }
        Ok(Self { base, random, overlap })
    }

    pub fn base(&self) -> &Experiment {
        &self.base
    }

    /// The experiment of that seed. The same seed draws the same.
    pub fn experiment(&self, seed: u64) -> Result<Experiment, DrawError> {
        let mut of_seed = Experiment { seed, random: None, ..self.base.clone() };
        of_seed.steps.extend(self.steps(seed));
        pinned(&of_seed)
    }

    fn steps(&self, seed: u64) -> Vec<Step> {
        let of = &self.random;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut steps, mut at) = (Vec::new(), Duration::ZERO);
        while steps.len() < MOST_STEPS {
            // The first one may begin at once; none begin at the same moment, so that their order is the file's.
            at += Duration::from_millis(random.random_range(0..=in_grains(of.every)) * GRAIN_MS);
            let pick = milder(&of.picks[random.random_range(0..of.picks.len())], &mut random);
            if at + pick.time > of.time {
                break;
            }
            let over = if self.overlap { at } else { at + pick.time };
            steps.push(Step { line: 0, at, seed: None, pick });
            at = over + Duration::from_millis(GRAIN_MS);
        }
        if steps.is_empty() {
            let fits = of.picks.iter().filter(|pick| pick.time <= of.time);
            let fits: Vec<&Pick> = fits.collect();
            let pick = fits[random.random_range(0..fits.len())].clone();
            steps.push(Step { line: 0, at: Duration::ZERO, seed: None, pick });
        }
        steps
    }
}

/// With its schedule as steps, each of which keeps what draws its target, whatever is left out of it later.
pub fn pinned(of: &Experiment) -> Result<Experiment, DrawError> {
    let mut steps = of.schedule();
    for (nth, step) in steps.iter_mut().enumerate() {
        step.seed = Some(step.draws_by(of, nth));
    }
    Ok(parse(&format!("{} of seed {}", of.name, of.seed), &of.with_steps(&steps)?, &BTreeMap::new())?)
}

fn in_grains(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX) / GRAIN_MS
}

/// As long and as hard as the file says at the most, and half of that at the least.
fn milder(of: &Pick, random: &mut ChaCha8Rng) -> Pick {
    let most = in_grains(of.time);
    let time = if most < 2 { of.time } else { Duration::from_millis(random.random_range(most.div_ceil(2)..=most) * GRAIN_MS) };
    let mut parameters = of.parameters.clone();
    for value in parameters.values_mut() {
        let most = value.unsigned_abs();
        let drawn = i64::try_from(random.random_range(most.div_ceil(2)..=most)).unwrap_or(i64::MAX);
        *value = drawn * value.signum();
    }
    of.with(time, parameters).unwrap_or_else(|_| of.clone())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::drill::Drill;

    fn everything(overlap: bool) -> Drawn {
        let base = Drill::named("everything").unwrap().experiment(&BTreeMap::new()).unwrap();
        Drawn::from(base, (Some(Duration::from_secs(40)), Some(Duration::from_secs(6))), overlap).unwrap()
    }

    #[test]
    fn a_seed_draws_one_schedule_and_seeds_draw_every_fault() {
        let drawn = everything(false);
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let one = drawn.experiment(seed).unwrap();
            assert_eq!((one.seed, &one.schedule()), (seed, &drawn.experiment(seed).unwrap().schedule()));
            assert!(!one.steps.is_empty() && one.random.is_none() && one.length() <= Duration::from_secs(40));
            seen.extend(one.steps.iter().map(|step| (step.pick.entry.name, step.pick.target.to_string())));
        }
        let all = drawn.random.picks.iter().map(|pick| (pick.entry.name, pick.target.to_string()));
        assert_eq!(seen, all.collect());
    }

    #[test]
    fn a_step_draws_its_target_by_the_same_seed_when_another_one_is_left_out() {
        let one = everything(false).experiment(5).unwrap();
        assert!(one.steps.len() > 2, "another seed is wanted");
        let rest = Experiment { steps: one.steps[1..].to_vec(), ..one.clone() };
        let rest = pinned(&rest).unwrap();
        let seeds = |of: &Experiment| of.steps.iter().enumerate().map(|(nth, step)| step.draws_by(of, nth)).collect::<Vec<_>>();
        assert_eq!(seeds(&rest), seeds(&one)[1..]);
        assert_eq!(seeds(&one)[..2], [5, 6]);
    }

    #[test]
    fn one_fault_waits_for_the_other_unless_they_may_overlap() {
        let meet = |steps: &[Step]| steps.windows(2).any(|pair| pair[0].at + pair[0].pick.time > pair[1].at);
        let any = |overlap| (0..50).any(|seed| meet(&everything(overlap).experiment(seed).unwrap().steps));
        assert!(!any(false) && any(true));
    }

    #[test]
    fn each_is_at_the_most_what_the_file_says() {
        let drawn = everything(false);
        let allowed = |step: &Step| {
            drawn.random.picks.iter().any(|pick| {
                let named = (pick.entry.name, &pick.target) == (step.pick.entry.name, &step.pick.target);
                let within = |(name, value): (&String, &i64)| (*value / 2..=*value).contains(&step.pick.parameters[name]);
                named && step.pick.time <= pick.time && pick.time <= 2 * step.pick.time && pick.parameters.iter().all(within)
            })
        };
        for seed in 0..50 {
            assert!(drawn.experiment(seed).unwrap().steps.iter().all(allowed), "seed {seed}");
        }
    }

    #[test]
    fn what_there_is_nothing_to_draw_from_is_told() {
        let lost = Drill::named("leader-loss").unwrap().experiment(&BTreeMap::new()).unwrap();
        assert!(Drawn::from(lost, (None, None), false).unwrap_err().to_string().contains("no [random]"));
        let base = everything(false).base;
        let short = Drawn::from(base.clone(), (Some(Duration::from_secs(1)), None), false);
        // What has no length always fits.
        assert!(short.unwrap().experiment(3).is_ok());
        let random = base.random.clone().map(|of| Random { picks: of.picks[..1].to_vec(), ..of });
        let long = Drawn::from(Experiment { random, ..base }, (Some(Duration::from_secs(1)), None), false);
        assert!(long.unwrap_err().to_string().contains("none fits"));
    }
}
