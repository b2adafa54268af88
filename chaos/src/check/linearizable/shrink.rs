//! Makes a counterexample small: from the last moment at which the stock is known for sure, and without what the contradiction does not need.

use std::collections::BTreeSet;

use super::{
    model::{Id, State, Step},
    search::{Found, search},
    steps::Problem,
};

/// Steps that are tried to do without, one by one. Beyond, halves and quarters are tried first, and what remains is shown.
const MOST_SINGLES: usize = 400;

/// Decisions for one try. A weakened step may happen at any later time or never, so a try can be far harder than the search was.
const TRIES: u64 = 20_000;

pub(super) struct Small {
    pub(super) what: String,
    pub(super) proof: Vec<usize>,
}

/// `stuck`: the step whose deadline no order gets past.
pub(super) fn shrink(problem: &Problem, stuck: usize) -> Small {
    let until = problem.steps[stuck].deadline.unwrap_or(u64::MAX);
    let called = |step: &Step| step.call <= until;
    let cut = cut(problem, until);
    let rest = problem.steps[cut.decided..].iter().filter(|step| called(step));
    let mut steps: Vec<Step> = rest.map(|step| open_after(step, until)).collect();
    let start = cut.state;
    if !fails(&start, &steps) {
        // The budget of a try is too small for this one; the whole is told.
        let proof: BTreeSet<usize> =
            problem.steps.iter().filter(|step| called(step)).flat_map(|step| step.proof.clone()).collect();
        let what = "no order of these explains the last answer".to_owned();
        return Small { what, proof: proof.into_iter().collect() };
    }
    let mut size = steps.len().div_ceil(2);
    loop {
        if size > 1 || steps.len() <= MOST_SINGLES {
            without(&start, &mut steps, size);
        }
        if size <= 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    let mut needed: BTreeSet<usize> = steps.iter().filter(|step| step.must()).flat_map(|step| step.proof.clone()).collect();
    // What was answered about the same holds before belongs to the story.
    let ids: BTreeSet<Id> = steps.iter().filter(|step| step.must()).filter_map(|step| step.what.id()).collect();
    let same =
        problem.steps.iter().filter(|step| step.must() && called(step) && step.what.id().is_some_and(|id| ids.contains(&id)));
    needed.extend(same.flat_map(|step| step.proof.clone()));
    let possible = steps.iter().filter(|step| !step.must()).count();
    let also = if possible > 0 { format!(", even if {possible} others happened at any time or never") } else { String::new() };
    let from = match cut.decided {
        0 => format!("with {} available", start.available),
        decided => format!("with {} available at version {} after {decided} decisions", start.available, start.ver),
    };
    Small { what: format!("{from}, no order of these explains their answers{also}"), proof: needed.into_iter().collect() }
}

/// What was not over by then is open.
fn open_after(step: &Step, until: u64) -> Step {
    Step { deadline: step.deadline.filter(|deadline| *deadline <= until), ..step.clone() }
}

fn fails(start: &State, steps: &[Step]) -> bool {
    let problem = Problem { start: start.clone(), steps: steps.to_vec() };
    matches!(search(&problem, TRIES + steps.len() as u64), Found::None { .. })
}

/// Tries to do without each run of `size` steps: looks are left out, changes may happen at any time after their call or never. Either only
/// adds to what is possible, so what still fails was wrong without them.
fn without(start: &State, steps: &mut Vec<Step>, size: usize) {
    let mut from = 0;
    while from < steps.len() {
        let to = (from + size).min(steps.len());
        let weak = |step: &Step| Step { deadline: None, ver: None, ..step.clone() };
        let run = || steps[from..to].iter().filter(|step| step.what.changes()).map(weak);
        let weaker: Vec<Step> = steps[..from].iter().cloned().chain(run()).chain(steps[to..].iter().cloned()).collect();
        if weaker != *steps && fails(start, &weaker) {
            let kept = to - from - (steps.len() - weaker.len());
            *steps = weaker;
            from += kept;
        } else {
            from = to;
        }
    }
}

struct Cut {
    state: State,
    /// So many steps, in order of their calls, are in it.
    decided: usize,
}

/// The last moment before `until` at which nothing was under way and nothing unknown: whatever the order was, the stock was this.
fn cut(problem: &Problem, until: u64) -> Cut {
    let open = problem.steps.iter().find(|step| !step.must()).map_or(u64::MAX, |step| step.call);
    let mut cut = Cut { state: problem.start.clone(), decided: 0 };
    let mut over = 0;
    for (at, step) in problem.steps.iter().enumerate() {
        if step.call > until || step.call >= open {
            break;
        }
        // All before this one were over before it was called.
        if at > cut.decided && over < step.call {
            let Some(state) = after(&cut.state, &problem.steps[cut.decided..at]) else { break };
            cut = Cut { state, decided: at };
        }
        over = over.max(step.deadline.unwrap_or(u64::MAX));
    }
    cut
}

/// The state after some steps, which is the same in every order that explains them.
fn after(start: &State, steps: &[Step]) -> Option<State> {
    super::search::state_after(&Problem { start: start.clone(), steps: steps.to_vec() }, TRIES + steps.len() as u64)
}
