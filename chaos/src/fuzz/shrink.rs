//! Which candidate to try next, given what became of those before. Pure.
//!
//! Steps go first, by delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002: `ddmin`), then each
//! number that is left is halved towards its least. Every candidate that is taken over is smaller than the one before, so this comes to an end.

use super::{
    candidate::Candidate,
    dial::{Dial, dials},
};

/// Asks for one candidate at a time; `best` has failed, always.
#[derive(Clone, Debug)]
pub struct Shrinker {
    best: Candidate,
    /// Those that did not fail: not worth another run.
    harmless: Vec<Candidate>,
    phase: Phase,
    asked: Option<Candidate>,
    /// Something became smaller since the steps were gone through.
    changed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// In so many parts: each alone, then all without each.
    Steps {
        parts: usize,
        nth: usize,
    },
    /// `low`: what is known to be too little.
    Dials {
        nth: usize,
        low: Option<u64>,
    },
    Done,
}

const HALVES: Phase = Phase::Steps { parts: 2, nth: 0 };
const FIRST_DIAL: Phase = Phase::Dials { nth: 0, low: None };

impl Shrinker {
    /// `failing`: what failed.
    pub fn new(failing: Candidate) -> Self {
        Self { best: failing, harmless: Vec::new(), phase: HALVES, asked: None, changed: true }
    }

    /// The smallest that failed so far.
    pub fn best(&self) -> &Candidate {
        &self.best
    }

    /// What is to be tried; the same until [`Self::tell`] says what became of it. `None`: it gets no smaller.
    pub fn ask(&mut self) -> Option<&Candidate> {
        while self.asked.is_none() {
            let candidate = match self.phase {
                Phase::Steps { parts, nth } => self.fewer_steps(parts, nth),
                Phase::Dials { nth, low } => self.turned(nth, low),
                Phase::Done => return None,
            };
            let Some(candidate) = candidate else { continue };
            let is_known = self.harmless.contains(&candidate);
            self.asked = Some(candidate);
            if is_known {
                self.tell(false);
            }
        }
        self.asked.as_ref()
    }

    /// What became of the one that was asked for.
    pub fn tell(&mut self, fails: bool) {
        let Some(asked) = self.asked.take() else { return };
        self.phase = match self.phase {
            Phase::Steps { parts, nth } if fails => after_fewer(parts, nth, asked.steps.len()),
            Phase::Steps { parts, nth } => Phase::Steps { parts, nth: nth + 1 },
            Phase::Dials { nth, low } if fails => Phase::Dials { nth, low },
            Phase::Dials { nth, .. } => Phase::Dials { nth, low: self.dial(nth).map(|dial| dial.value(&asked)) },
            Phase::Done => Phase::Done,
        };
        if fails {
            self.best = asked;
            self.changed = true;
        } else if !self.harmless.contains(&asked) {
            self.harmless.push(asked);
        }
    }

    fn dial(&self, nth: usize) -> Option<Dial> {
        dials(&self.best).get(nth).copied()
    }

    /// The `nth` candidate with fewer steps; `None` where there is none, and the phase is another one then.
    fn fewer_steps(&mut self, parts: usize, nth: usize) -> Option<Candidate> {
        let len = self.best.steps.len();
        if len > 1 && nth < 2 * parts {
            let part = nth % parts;
            let range = part * len / parts..(part + 1) * len / parts;
            return Some(self.best.part(range, nth >= parts));
        }
        self.phase = if len > 1 && parts < len {
            Phase::Steps { parts: (2 * parts).min(len), nth: 0 }
        } else if std::mem::take(&mut self.changed) {
            FIRST_DIAL
        } else {
            Phase::Done
        };
        None
    }

    /// The candidate with less of one number; `None` where that is not worth a run, and the next number is the phase then.
    fn turned(&mut self, nth: usize, low: Option<u64>) -> Option<Candidate> {
        let Some(dial) = self.dial(nth) else {
            // Shorter and sooner, a step more may be one too many.
            self.phase = if std::mem::take(&mut self.changed) { HALVES } else { Phase::Done };
            return None;
        };
        let (value, least) = (dial.value(&self.best), dial.least(&self.best));
        let candidate = match low {
            None if value > least => dial.set(&self.best, least),
            Some(low) if value > low && value - low > dial.worth(value) => dial.set(&self.best, dial.middle(low, value)),
            _ => None,
        };
        if candidate.is_none() {
            self.phase = Phase::Dials { nth: nth + 1, low: None };
        }
        candidate
    }
}

/// A part that fails by itself is begun with anew; where one was left out, the others are left out next.
fn after_fewer(parts: usize, nth: usize, len: usize) -> Phase {
    if nth < parts {
        return HALVES;
    }
    let parts = (parts - 1).clamp(2, len.max(2));
    Phase::Steps { parts, nth: parts }
}

#[cfg(test)]
#[path = "shrink_tests.rs"]
mod tests;
