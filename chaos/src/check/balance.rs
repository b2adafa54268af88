//! Conservation within a history: what a SKU began with and what arrived is available, held or sold in the end. A hold that nobody has any
//! more and whose units did not come back is a leak.

use std::collections::BTreeMap;

use super::{
    conservation::{Books, conservation},
    verdict::{Outcome, Verdict, Violation},
};
use crate::history::{Op, Operation, Out, Settled};

pub const CONSERVATION: &str = "conservation";

/// Over the history, and over both stores where they were read.
pub fn balance(history: &[Operation], books: Option<&Books>) -> Verdict {
    let mut of_sku: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    history.iter().filter(|line| line.out != Out::Fail).for_each(|line| of_sku.entry(&line.sku).or_default().push(line));
    let sums: Vec<Option<Vec<Violation>>> = of_sku.iter().map(|(sku, lines)| leak(sku, lines)).collect();
    let open = sums.iter().filter(|sum| sum.is_none()).count();
    let mut violations: Vec<Violation> = sums.into_iter().flatten().flatten().collect();
    let mut orders = String::new();
    if let Some(books) = books {
        let told = conservation(books).into_iter();
        violations.extend(told.map(|difference| Violation { what: difference.to_string(), operations: Vec::new() }));
        orders = format!("; {} orders and {} reservations of both stores were compared", books.orders, books.reservations);
    }
    if of_sku.is_empty() && books.is_none() {
        return Verdict::skipped(CONSERVATION, "nothing was recorded");
    }
    let skus = of_sku.len();
    let (outcome, summary) = match (violations.len(), open) {
        (0, 0) => (Outcome::Pass, format!("every unit of {skus} SKUs is accounted for{orders}")),
        (0, open) => {
            (Outcome::Undecided, format!("{open} of {skus} SKUs have no last read, or holds that nobody looked for{orders}"))
        }
        (wrong, _) => (Outcome::Fail, format!("{wrong} differences{orders}")),
    };
    Verdict::new(CONSERVATION, outcome, summary, violations)
}

/// What is known of an id in the end.
#[derive(Default)]
struct Id<'a> {
    asked: Option<&'a Operation>,
    refused: bool,
    confirmed: bool,
    released: bool,
    found: Option<Settled>,
}

impl Id<'_> {
    /// Units that are away for its sake; `None`: nobody knows.
    fn away(&self) -> Option<u64> {
        let asked = self.asked?;
        match self.found {
            Some(Settled::Sold) => Some(asked.qty),
            // It may have ended by itself before the last read, or not.
            Some(Settled::Held) => None,
            Some(_) => Some(0),
            None if self.refused || self.released => Some(0),
            None if self.confirmed || (asked.op == Op::Purchase && asked.out == Out::Ok) => Some(asked.qty),
            None => None,
        }
    }
}

/// `None`: too little is known to say.
fn leak(sku: &str, lines: &[&Operation]) -> Option<Vec<Violation>> {
    let told = |line: &&&Operation| line.op == Op::Read && matches!(line.out, Out::Ok | Out::NotFound);
    let changes = || lines.iter().filter(|line| !matches!(line.op, Op::Read | Op::Status));
    let ended = changes().map(|line| line.ret.unwrap_or(line.call)).max().unwrap_or_default();
    let last = lines.iter().filter(told).max_by_key(|line| line.call).filter(|line| line.call >= ended)?;
    let began = changes().map(|line| line.call).min().unwrap_or(u64::MAX);
    let opening = lines.iter().filter(told).filter(|line| line.ret.is_some_and(|ret| ret < began)).max_by_key(|line| line.call);
    let mut received: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
    let mut ids: BTreeMap<&str, Id<'_>> = BTreeMap::new();
    for line in lines.iter().filter(|line| !line.id.is_empty()) {
        if line.op == Op::Receive {
            let known = received.entry(&line.id).or_insert((line.qty, false));
            known.1 |= line.out == Out::Ok;
            continue;
        }
        let id = ids.entry(&line.id).or_default();
        match (line.op, line.out) {
            (Op::Reserve | Op::Purchase, out) => {
                id.asked = id.asked.filter(|asked| asked.out == Out::Ok).or(Some(line));
                id.refused |= matches!(out, Out::Insufficient | Out::NotFound);
            }
            (Op::Confirm, Out::Ok) => id.confirmed = true,
            (Op::Release, Out::Ok) => id.released = true,
            (Op::Status, _) => id.found = line.settled().or(id.found),
            _ => {}
        }
    }
    let came: u64 = received.values().all(|(_, known)| *known).then(|| received.values().map(|(units, _)| units).sum())?;
    let began_with = opening.and_then(|line| line.value).unwrap_or_default();
    let away: u64 = ids.values().filter(|id| id.asked.is_some()).map(Id::away).sum::<Option<u64>>()?;
    let (expected, is) = (i128::from(began_with) + i128::from(came) - i128::from(away), last.value.unwrap_or_default());
    if expected == i128::from(is) {
        return Some(Vec::new());
    }
    let what = format!(
        "{sku}: began with {began_with}, {came} arrived, {away} are held or sold, so {expected} should be available, and {is} are"
    );
    // Ids whose units could be the missing ones: given back, or refused.
    let missing = u64::try_from((expected - i128::from(is)).unsigned_abs()).unwrap_or(u64::MAX);
    let suspects = ids.values().filter(|id| id.away() == Some(0) && id.asked.is_some_and(|asked| asked.qty <= missing));
    let told = suspects.filter_map(|id| id.asked).filter(|asked| asked.out == Out::Ok).take(SUSPECTS).map(ToString::to_string);
    Some(vec![Violation { what, operations: told.chain([last.to_string()]).collect() }])
}

/// Holds that ended and whose units may be the missing ones; all are listed in the history.
const SUSPECTS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(op: Op, id: &str, qty: u64, call: u64, out: Out, value: Option<u64>) -> Operation {
        let (sku, id) = ("cup".to_owned(), id.to_owned());
        Operation { client: 1, op, sku, id, qty, call, ret: Some(call + 1), out, value, ver: None }
    }

    fn run(available: u64) -> Vec<Operation> {
        vec![
            line(Op::Receive, "r", 10, 1, Out::Ok, None),
            line(Op::Purchase, "p", 3, 3, Out::Ok, None),
            line(Op::Reserve, "h", 2, 5, Out::Ok, None),
            line(Op::Release, "h", 0, 7, Out::Ok, None),
            line(Op::Reserve, "e", 1, 9, Out::Ok, None),
            line(Op::Status, "e", 1, 20, Out::Expired, Some(0)),
            line(Op::Read, "", 0, 22, Out::Ok, Some(available)),
        ]
    }

    #[test]
    fn a_hold_whose_units_did_not_come_back_is_named() {
        assert_eq!(balance(&run(7), None).outcome, Outcome::Pass);
        let verdict = balance(&run(5), None);
        assert_eq!(verdict.outcome, Outcome::Fail);
        let found = &verdict.violations[0];
        assert!(found.what.contains("so 7 should be available, and 5 are"), "{}", found.what);
        assert!(found.operations.iter().any(|line| line.contains("reserve 2 cup id h")), "{:?}", found.operations);
        assert_eq!(balance(&run(8), None).outcome, Outcome::Fail, "units out of nothing");
    }

    #[test]
    fn nothing_is_said_of_what_nobody_looked_for() {
        let mut lines = run(7);
        lines.retain(|line| line.op != Op::Status);
        assert_eq!(balance(&lines, None).outcome, Outcome::Undecided);
        lines.retain(|line| line.op != Op::Read);
        assert_eq!(balance(&lines, None).outcome, Outcome::Undecided);
        assert_eq!(balance(&[], None).outcome, Outcome::Skipped);
    }

    #[test]
    fn differences_between_the_stores_are_violations_too() {
        let mut books = Books::default();
        assert_eq!(balance(&[], Some(&books)).outcome, Outcome::Pass);
        books.ordered.insert("pen".to_owned(), 1);
        assert_eq!(balance(&[], Some(&books)).outcome, Outcome::Fail);
    }
}
