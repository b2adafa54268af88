//! Every SKU behaves as if its commands and reads had been decided one at a time, each between its call and its answer.
//!
//! SKUs are independent, so each is checked by itself (Herlihy and Wing 1990, locality).

mod certificate;
mod model;
#[cfg(test)]
mod reference;
mod search;
mod shrink;
mod steps;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::verdict::{Outcome, Verdict, Violation};
use crate::history::Operation;
use search::Found;

/// Decisions that the search may try for one SKU beyond those that the SKU has: some seconds in a debug build. A history with versions needs
/// none of them.
const MOST_TRIES: u64 = 200_000;

/// Name of the check.
pub const LINEARIZABLE: &str = "linearizable";

pub fn linearizable(history: &[Operation]) -> Verdict {
    if !history.iter().any(Operation::is_decided) {
        return Verdict::skipped(LINEARIZABLE, "nothing that was asked was answered");
    }
    let mut of_sku: BTreeMap<&str, Vec<(usize, &Operation)>> = BTreeMap::new();
    for (at, line) in history.iter().enumerate() {
        of_sku.entry(&line.sku).or_default().push((at, line));
    }
    let (mut violations, mut undecided) = (Vec::new(), Vec::new());
    for (sku, lines) in &of_sku {
        match decide(sku, lines, MOST_TRIES) {
            Decision::Explained => {}
            Decision::Violated { what, proof } => {
                let lines = proof.iter().filter_map(|at| history.get(*at)).map(ToString::to_string);
                violations.push(Violation { what, operations: lines.collect() });
            }
            Decision::Undecided => undecided.push((*sku).to_owned()),
        }
    }
    let (skus, operations) = (of_sku.len(), history.len());
    let summary = match (violations.len(), undecided.len()) {
        (0, 0) => format!("{operations} operations on {skus} SKUs have a sequential order"),
        (0, _) => format!("not decided for {}: too many overlapping answers without versions", undecided.join(", ")),
        (wrong, _) => format!("{wrong} of {skus} SKUs have no sequential order that explains their answers"),
    };
    let outcome = if undecided.is_empty() { Outcome::Pass } else { Outcome::Undecided };
    Verdict::new(LINEARIZABLE, outcome, summary, violations)
}

/// What came of one SKU.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Decision {
    Explained,
    /// The lines of the history that prove it, by their places.
    Violated {
        what: String,
        proof: Vec<usize>,
    },
    Undecided,
}

fn decide(sku: &str, lines: &[(usize, &Operation)], tries: u64) -> Decision {
    let problem = match steps::problem(lines) {
        Ok(problem) => problem,
        Err(wrong) => return Decision::Violated { what: format!("{sku}: {}", wrong.what), proof: wrong.proof },
    };
    let proof_of = |steps: &[usize]| {
        let mut proof: Vec<usize> = steps.iter().flat_map(|step| problem.steps[*step].proof.clone()).collect();
        proof.sort_unstable();
        proof.dedup();
        proof
    };
    if let Some(found) = certificate::certificate(&problem) {
        return Decision::Violated { what: format!("{sku}: {}", found.what), proof: proof_of(&found.steps) };
    }
    match search::search(&problem, tries + problem.steps.len() as u64) {
        Found::Order => Decision::Explained,
        Found::GaveUp => Decision::Undecided,
        Found::None { stuck } => {
            let small = shrink::shrink(&problem, stuck);
            Decision::Violated { what: format!("{sku}: {}", small.what), proof: small.proof }
        }
    }
}
