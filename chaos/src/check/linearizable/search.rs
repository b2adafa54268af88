//! Whether there is an order of the decisions that explains every answer: just-in-time linearization (Lowe 2017, after Wing and Gong 1993),
//! made for counters with holds.
//!
//! Time is walked from one call or deadline to the next. Nothing is decided before it has to be: only at a deadline of a step that is not
//! decided yet are others put before it. A step that changes nothing is decided as soon as the state allows it, which is never wrong. So
//! there is a choice only among changes that overlap, and a version in an answer leaves one of them. What was tried in vain from a moment
//! with the same steps decided is not tried again. Commands of unknown outcome stay open for ever; those that are alike are tried in the
//! order they were called in, since one stands for the other.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::{
    model::{Before, State, Step, What},
    steps::Problem,
};

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// There is such an order.
    Order,
    /// There is none: no order of what was called before gets further than this step's deadline.
    None { stuck: usize },
    /// Too many possibilities.
    GaveUp,
}

/// What is undone when a choice was wrong.
enum Undo {
    Passed(usize),
    Opened(usize),
    Decided(usize, Option<Before>),
}

/// A deadline at which something had to be chosen.
struct Choice {
    event: usize,
    trail: usize,
    candidates: Vec<usize>,
    next: usize,
    key: (usize, Box<[usize]>),
}

struct Search<'a> {
    steps: &'a [Step],
    events: Vec<(u64, bool, usize)>,
    state: State,
    /// The one step that makes a version.
    owner: HashMap<u64, usize>,
    /// Steps that are alike in all but their calls.
    alike: Vec<Option<usize>>,
    /// Called and not decided.
    changes: BTreeSet<usize>,
    looks: BTreeSet<usize>,
    /// Decided, and their deadline is still to come.
    ahead: BTreeSet<usize>,
    decided: Vec<bool>,
    trail: Vec<Undo>,
    in_vain: HashSet<(usize, Box<[usize]>)>,
    stuck: (usize, usize),
}

/// Looks for an order in at most `budget` decisions.
pub(super) fn search(problem: &Problem, budget: u64) -> Found {
    started(problem).run(budget)
}

/// The stock after an order was found. It is the same after every order, if all steps have deadlines.
pub(super) fn state_after(problem: &Problem, budget: u64) -> Option<State> {
    let mut search = started(problem);
    (search.run(budget) == Found::Order).then_some(search.state)
}

fn started(problem: &Problem) -> Search<'_> {
    let steps = &problem.steps;
    let mut events: Vec<(u64, bool, usize)> = Vec::with_capacity(steps.len() * 2);
    for (at, step) in steps.iter().enumerate() {
        events.push((step.call, false, at));
        events.extend(step.deadline.map(|deadline| (deadline, true, at)));
    }
    // A call at the very time of a deadline may have been earlier.
    events.sort_unstable();
    let owner = steps.iter().enumerate().filter(|(_, step)| step.what.changes());
    Search {
        steps,
        events,
        state: problem.start.clone(),
        owner: owner.filter_map(|(at, step)| step.ver.map(|ver| (ver, at))).collect(),
        alike: alike(steps),
        changes: BTreeSet::new(),
        looks: BTreeSet::new(),
        ahead: BTreeSet::new(),
        decided: vec![false; steps.len()],
        trail: Vec::new(),
        in_vain: HashSet::new(),
        stuck: (0, 0),
    }
}

/// Only commands that nothing else tells of are alike: of unknown outcome, the only ones of their ids.
fn alike(steps: &[Step]) -> Vec<Option<usize>> {
    let mut of_id: HashMap<usize, usize> = HashMap::new();
    let told = steps.iter().filter(|step| !matches!(step.what, What::Expire { .. }));
    told.filter_map(|step| step.what.id()).for_each(|id| *of_id.entry(id).or_default() += 1);
    let mut classes: HashMap<(u8, u64), usize> = HashMap::new();
    let mut units_of: HashMap<usize, u64> = HashMap::new();
    for step in steps {
        if let What::Reserve { id, units } = step.what {
            units_of.insert(id, units);
        }
    }
    let class = |step: &Step| {
        let is_alone = |id: usize| of_id.get(&id) == Some(&1);
        match step.what {
            _ if step.must() || step.ver.is_some() => None,
            What::Receive { units } => Some((0, units)),
            What::Purchase { id, units } if is_alone(id) => Some((1, units)),
            What::Reserve { id, units } if is_alone(id) => Some((2, units)),
            What::Expire { id } if is_alone(id) => units_of.get(&id).map(|units| (3, *units)),
            _ => None,
        }
    };
    let mut number = |key| {
        let next = classes.len();
        *classes.entry(key).or_insert(next)
    };
    steps.iter().map(|step| class(step).map(&mut number)).collect()
}

impl Search<'_> {
    fn run(&mut self, budget: u64) -> Found {
        let (mut event, mut choices, mut spent): (usize, Vec<Choice>, u64) = (0, Vec::new(), 0);
        loop {
            match self.walk(event) {
                None => return Found::Order,
                Some(forced) => {
                    let key = (forced, self.ahead.iter().copied().collect::<Box<[usize]>>());
                    let candidates =
                        if self.in_vain.contains(&key) { Vec::new() } else { self.candidates(self.events[forced].2) };
                    if forced >= self.stuck.0 {
                        self.stuck = (forced, self.events[forced].2);
                    }
                    choices.push(Choice { event: forced, trail: self.trail.len(), candidates, next: 0, key });
                }
            }
            // The next candidate of the latest choice that has one.
            loop {
                let Some(choice) = choices.last_mut() else { return Found::None { stuck: self.stuck.1 } };
                let (trail, next) = (choice.trail, choice.candidates.get(choice.next).copied());
                choice.next += 1;
                event = choice.event;
                self.back_to(trail);
                let Some(candidate) = next else {
                    self.in_vain.extend(choices.pop().map(|choice| choice.key));
                    continue;
                };
                spent += 1;
                if spent > budget {
                    return Found::GaveUp;
                }
                self.decide(candidate);
                if !self.is_dead() {
                    break;
                }
            }
        }
    }

    /// From an event on to the next deadline that is not met; `None`: there is none any more.
    fn walk(&mut self, from: usize) -> Option<usize> {
        for event in from..self.events.len() {
            let (_, is_deadline, step) = self.events[event];
            if !is_deadline {
                self.open(step);
            } else if self.decided[step] {
                self.ahead.remove(&step);
                self.trail.push(Undo::Passed(step));
            } else {
                return Some(event);
            }
        }
        None
    }

    fn open(&mut self, step: usize) {
        self.trail.push(Undo::Opened(step));
        if self.steps[step].what.changes() {
            self.changes.insert(step);
        } else {
            self.looks.insert(step);
            self.settle_looks();
        }
    }

    /// Decides every look that the state allows.
    fn settle_looks(&mut self) {
        let allowed: Vec<usize> = self.looks.iter().copied().filter(|look| self.state.allows(&self.steps[*look])).collect();
        for look in allowed {
            self.looks.remove(&look);
            self.mark(look, None);
        }
    }

    fn decide(&mut self, change: usize) {
        let before = self.state.make(self.steps[change].what);
        self.changes.remove(&change);
        self.mark(change, Some(before));
        self.settle_looks();
    }

    fn mark(&mut self, step: usize, before: Option<Before>) {
        self.decided[step] = true;
        self.ahead.insert(step);
        self.trail.push(Undo::Decided(step, before));
    }

    /// Somebody who waits saw a version that is over.
    fn is_dead(&self) -> bool {
        let is_over = |look: &usize| {
            let step = &self.steps[*look];
            step.what.sees_version() && step.ver.is_some_and(|ver| ver < self.state.ver)
        };
        self.looks.iter().any(is_over)
    }

    /// Changes that can be next; the one that has to come first, then by deadline.
    fn candidates(&self, forced: usize) -> Vec<usize> {
        if let Some(owner) = self.owner.get(&(self.state.ver + 1)) {
            let is_next = self.changes.contains(owner) && self.state.allows(&self.steps[*owner]);
            return if is_next { vec![*owner] } else { Vec::new() };
        }
        let mut tried = BTreeSet::new();
        let allowed = self.changes.iter().copied().filter(|change| self.state.allows(&self.steps[*change]));
        let mut all: Vec<usize> = allowed.filter(|change| self.alike[*change].is_none_or(|class| tried.insert(class))).collect();
        all.sort_by_key(|change| (*change != forced, self.steps[*change].deadline.unwrap_or(u64::MAX)));
        all
    }

    fn back_to(&mut self, trail: usize) {
        while self.trail.len() > trail {
            match self.trail.pop() {
                Some(Undo::Passed(step)) => {
                    self.ahead.insert(step);
                }
                Some(Undo::Opened(step)) => {
                    self.changes.remove(&step);
                    self.looks.remove(&step);
                }
                Some(Undo::Decided(step, before)) => {
                    self.decided[step] = false;
                    self.ahead.remove(&step);
                    match before {
                        Some(before) => {
                            self.state.undo(before);
                            self.changes.insert(step);
                        }
                        None => {
                            self.looks.insert(step);
                        }
                    }
                }
                None => return,
            }
        }
    }
}
