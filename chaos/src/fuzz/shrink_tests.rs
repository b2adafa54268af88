//! Schedules of any form and what they fail by: the smallest is found, nothing is given that did not fail, and it ends.

use std::{collections::BTreeMap, time::Duration};

use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

use super::*;
use crate::{
    experiment::{Load, Pick, Step},
    fault::{Entry, Fault, Target},
};

fn pick(name: &str, seconds: u64, given: &[(&str, i64)]) -> Pick {
    let entry = Entry::named(name).unwrap();
    let parameters: BTreeMap<String, i64> = given.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let fault = Fault::parse(name, &parameters).unwrap();
    Pick { entry, parameters, fault, target: Target::Leader, time: Duration::from_secs(seconds) }
}

fn any_pick() -> impl Strategy<Value = Pick> {
    (0_usize..4, 1_u64..20, 1_i64..500).prop_map(|(kind, seconds, number)| match kind {
        0 => pick("process.kill", seconds, &[]),
        1 => pick("link.latency", seconds, &[("latency_ms", number)]),
        2 => pick("clock.skew", seconds, &[("offset_ms", -number)]),
        _ => pick("leader.transfer", 0, &[]),
    })
}

/// Steps at any times, told apart by their seeds.
fn any_candidate() -> impl Strategy<Value = Candidate> {
    let steps = prop::collection::vec((0_u64..8_000, any_pick()), 1..14);
    (steps, 0.2_f64..30.0, 0.0_f64..5.0).prop_map(|(steps, rate, node_reads)| {
        let mut at = Duration::ZERO;
        let steps = steps.into_iter().zip(0..).map(|((later_ms, pick), seed)| {
            at += Duration::from_millis(later_ms);
            Step { line: 0, at, seed: Some(seed), pick }
        });
        Candidate { steps: steps.collect(), load: Load { rate, deals: 8.0, node_reads, sale: None } }
    })
}

/// With some steps that are needed, each for the least time.
fn any_need() -> impl Strategy<Value = (Candidate, Vec<(u64, Duration)>)> {
    any_candidate().prop_flat_map(|candidate| {
        let steps = candidate.steps.clone();
        let needed = prop::sample::subsequence(steps, 1..=candidate.steps.len());
        let needed = (needed, 0_u32..=100).prop_map(|(steps, percent)| {
            steps.into_iter().map(|step| (step.seed.unwrap(), step.pick.time * percent / 100)).collect::<Vec<_>>()
        });
        (Just(candidate), needed)
    })
}

fn has(of: &Candidate, need: &[(u64, Duration)]) -> bool {
    need.iter().all(|(seed, time)| of.steps.iter().any(|step| step.seed == Some(*seed) && step.pick.time >= *time))
}

/// The smallest, with all that were asked for.
fn shrunk(first: Candidate, mut fails: impl FnMut(&Candidate) -> bool) -> (Candidate, Vec<Candidate>) {
    let (mut shrinker, mut asked) = (Shrinker::new(first), Vec::new());
    while let Some(candidate) = shrinker.ask().cloned() {
        shrinker.tell(fails(&candidate));
        asked.push(candidate);
    }
    (shrinker.best().clone(), asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_needed_is_what_is_left(case in any_need()) {
        let (first, need) = case;
        let len = first.steps.len();
        let (best, asked) = shrunk(first, |candidate| has(candidate, &need));
        let left: Vec<u64> = best.steps.iter().filter_map(|step| step.seed).collect();
        prop_assert_eq!(left, need.iter().map(|(seed, _)| *seed).collect::<Vec<_>>());
        for (step, (_, least)) in best.steps.iter().zip(&need).filter(|(step, _)| step.pick.entry.lasts()) {
            // The least that there is, or within what is worth a run.
            let enough = (*least + Duration::from_millis(500)).max(*least * 8 / 7).max(Duration::from_secs(1));
            prop_assert!(step.pick.time <= enough, "{:?} where {least:?} are needed", step.pick.time);
        }
        // To the tenth.
        let Load { rate, deals, node_reads, .. } = best.load;
        prop_assert!(rate <= 1.05 && deals <= 1.0 && node_reads <= 0.05, "{rate} {deals} {node_reads}");
        // Everything as soon as what was before it is over, or at once.
        prop_assert_eq!(best.steps[0].at, Duration::ZERO);
        for nth in 0..asked.len() {
            prop_assert!(!asked[..nth].contains(&asked[nth]), "asked for twice");
        }
        // ddmin's worst case is quadratic; of the numbers, up to a dozen runs each.
        prop_assert!(asked.len() <= len * len + 6 * len + 12 * (4 * len + 3), "{} runs for {len} steps", asked.len());
    }

    #[test]
    fn whatever_becomes_of_it_the_result_has_failed_and_it_ends(first in any_candidate(), seed in any::<u64>(), share in 0_u64..=100) {
        use std::hash::{Hash, Hasher};
        let mut draws = 0_u64;
        let mut failed = vec![first.clone()];
        let (best, asked) = shrunk(first, |candidate| {
            let mut hasher = std::collections::hash_map::DefaultHasher::new();
            (seed, draws).hash(&mut hasher);
            draws += 1;
            let fails = hasher.finish() % 100 < share;
            if fails {
                failed.push(candidate.clone());
            }
            fails
        });
        prop_assert!(failed.contains(&best));
        let runnable = |of: &Candidate| !of.steps.is_empty() && of.steps.windows(2).all(|pair| pair[0].at <= pair[1].at);
        prop_assert!(asked.iter().all(runnable));
    }
}

#[test]
fn who_waited_for_another_one_still_does_and_who_did_not_need_not() {
    let step = |at: u64, seconds, seed| Step {
        line: 0,
        at: Duration::from_secs(at),
        seed: Some(seed),
        pick: pick("process.kill", seconds, &[]),
    };
    let load = Load { rate: 1.0, deals: 1.0, node_reads: 0.0, sale: None };
    let first = Candidate { steps: vec![step(5, 4, 0), step(20, 10, 1), step(22, 4, 2)], load };
    let all = [0, 1, 2].map(|seed| (seed, Duration::from_secs(4)));
    let (best, _) = shrunk(first, |candidate| has(candidate, &all));
    let at: Vec<u128> = best.steps.iter().map(|step| step.at.as_millis()).collect();
    assert_eq!(at, [0, 4_000, 4_000]);
}
