//! Never are more units held or sold than had arrived, at any moment, whichever way unknown outcomes are read.

use std::collections::BTreeMap;

use super::verdict::{Outcome, Verdict, Violation};
use crate::history::{Op, Operation, Out, Settled};

pub const NO_OVERSELL: &str = "no_oversell";

/// Units that are taken for good, surely since a time.
struct Taken {
    since: u64,
    units: u64,
    line: usize,
}

pub fn no_oversell(history: &[Operation]) -> Verdict {
    let mut of_sku: BTreeMap<&str, Vec<(usize, &Operation)>> = BTreeMap::new();
    for (at, line) in history.iter().enumerate().filter(|(_, line)| line.out != Out::Fail) {
        of_sku.entry(&line.sku).or_default().push((at, line));
    }
    let took = |line: &Operation| line.out == Out::Ok && matches!(line.op, Op::Reserve | Op::Purchase);
    if !history.iter().any(took) {
        return Verdict::skipped(NO_OVERSELL, "nobody was given anything");
    }
    let violations: Vec<Violation> = of_sku.iter().filter_map(|(sku, lines)| oversold(sku, lines)).collect();
    let summary = match violations.len() {
        0 => format!("no SKU of {} ever gave more than it had", of_sku.len()),
        wrong => format!("{wrong} of {} SKUs gave more than they had", of_sku.len()),
    };
    Verdict::new(NO_OVERSELL, Outcome::Pass, summary, violations)
}

fn oversold(sku: &str, lines: &[(usize, &Operation)]) -> Option<Violation> {
    let mut taken = taken(lines);
    taken.sort_by_key(|taken| taken.since);
    let (opening, mut supply) = supply(lines);
    supply.sort_by_key(|(call, ..)| *call);
    let (mut came, mut gone, mut next) = (opening, 0, 0);
    for (at, take) in taken.iter().enumerate() {
        while let Some((_, units, _)) = supply.get(next).filter(|(call, ..)| *call <= take.since) {
            came += units;
            next += 1;
        }
        gone += take.units;
        if gone > came {
            let proof = smallest(&taken[..=at], came);
            let sum: u64 = proof.iter().map(|take| take.units).sum();
            let what = format!("{sku}: {sum} units are held or sold of {came} that can have arrived by then");
            let came_by = supply[..next].iter().map(|(.., line)| *line);
            let mut proof: Vec<usize> = came_by.chain(proof.iter().map(|take| take.line)).collect();
            proof.sort_unstable();
            let text = |at: &usize| lines.iter().find(|(line, _)| line == at).map(|(_, line)| line.to_string());
            return Some(Violation { what, operations: proof.iter().filter_map(text).collect() });
        }
    }
    None
}

/// As few of them as are more than `came`.
fn smallest(taken: &[Taken], came: u64) -> Vec<&Taken> {
    let mut all: Vec<&Taken> = taken.iter().collect();
    all.sort_by_key(|take| std::cmp::Reverse(take.units));
    let mut sum = 0;
    let needed = all.iter().position(|take| {
        sum += take.units;
        sum > came
    });
    all.truncate(needed.map_or(all.len(), |last| last + 1));
    all
}

/// What the SKU began with, and what may have arrived since: call, units, line.
fn supply(lines: &[(usize, &Operation)]) -> (u64, Vec<(u64, u64, usize)>) {
    let mut received: BTreeMap<&str, (u64, u64, usize)> = BTreeMap::new();
    for (at, line) in lines.iter().filter(|(_, line)| line.op == Op::Receive) {
        let first = received.entry(&line.id).or_insert((line.call, line.qty, *at));
        first.0 = first.0.min(line.call);
    }
    let first_call =
        |(at, _): &&(usize, &Operation)| lines.iter().filter(|(other, _)| other != at).map(|(_, line)| line.call).min();
    let reads = lines.iter().filter(|(_, line)| line.op == Op::Read && line.out == Out::Ok).min_by_key(|(_, line)| line.ret);
    let opening = reads.filter(|read| first_call(read).is_none_or(|call| read.1.ret.is_some_and(|ret| ret < call)));
    let opening = opening.and_then(|(_, line)| line.value).unwrap_or_default();
    (opening, received.into_values().collect())
}

/// A purchase takes units since its answer; a hold since its answer, if it was confirmed afterwards.
fn taken(lines: &[(usize, &Operation)]) -> Vec<Taken> {
    #[derive(Default)]
    struct Id {
        answered: Option<(u64, u64, usize)>,
        asked: u64,
        bought: bool,
        sold: Option<(u64, usize)>,
    }
    let mut ids: BTreeMap<&str, Id> = BTreeMap::new();
    for (at, line) in lines {
        let id = ids.entry(&line.id).or_default();
        let Some(ret) = line.ret else {
            id.asked = id.asked.max(line.qty);
            continue;
        };
        match (line.op, line.out) {
            (Op::Purchase | Op::Reserve, Out::Ok) => {
                id.bought |= line.op == Op::Purchase;
                if id.answered.is_none_or(|(since, ..)| ret < since) {
                    id.answered = Some((ret, line.qty, *at));
                }
            }
            (Op::Purchase | Op::Reserve, _) => id.asked = id.asked.max(line.qty),
            (Op::Confirm, Out::Ok) => id.sold = id.sold.or(Some((ret, *at))),
            (Op::Status, _) if line.settled() == Some(Settled::Sold) => {
                id.sold = id.sold.or(Some((ret, *at)));
                id.asked = id.asked.max(line.value.unwrap_or_default());
            }
            _ => {}
        }
    }
    let taken = ids.into_values().filter_map(|id| match (id.answered, id.sold) {
        (Some((since, units, line)), sold) if id.bought || sold.is_some() => Some(Taken { since, units, line }),
        (None, Some((since, line))) => Some(Taken { since, units: id.asked, line }),
        _ => None,
    });
    taken.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(op: Op, id: &str, qty: u64, time: (u64, u64), out: Out) -> Operation {
        let (sku, id) = ("cup".to_owned(), id.to_owned());
        Operation { client: 1, op, sku, id, qty, call: time.0, ret: Some(time.1), out, value: None, ver: None }
    }

    #[test]
    fn an_oversell_by_one_is_proved_by_the_fewest_operations() {
        let mut lines = vec![line(Op::Receive, "r", 5, (0, 1), Out::Ok)];
        lines.extend((0..4).map(|n| line(Op::Purchase, &format!("p{n}"), 1, (2 + n, 10 + n), Out::Ok)));
        lines.push(line(Op::Reserve, "h", 1, (5, 20), Out::Ok));
        lines.push(line(Op::Reserve, "other", 1, (5, 21), Out::Ok));
        lines.push(line(Op::Confirm, "h", 0, (30, 31), Out::Ok));
        assert_eq!(no_oversell(&lines).outcome, Outcome::Pass, "a hold may have ended by itself");
        lines.push(line(Op::Purchase, "big", 3, (40, 41), Out::Ok));
        let verdict = no_oversell(&lines);
        assert_eq!(verdict.outcome, Outcome::Fail);
        let found = &verdict.violations[0];
        assert!(found.what.contains("6 units are held or sold of 5"), "{}", found.what);
        assert!(found.operations.len() == 5 && found.operations[4].contains("id big: ok"), "{:?}", found.operations);
    }

    #[test]
    fn what_may_have_arrived_is_not_held_against_anybody_and_what_was_found_sold_is() {
        let lost = Operation { ret: None, ..line(Op::Receive, "r", 2, (0, 0), Out::Unknown) };
        let bought = line(Op::Purchase, "a", 2, (3, 4), Out::Ok);
        assert_eq!(no_oversell(&[lost.clone(), bought.clone()]).outcome, Outcome::Pass);
        let unknown = Operation { ret: None, ..line(Op::Purchase, "b", 1, (3, 4), Out::Unknown) };
        assert_eq!(no_oversell(&[lost.clone(), bought.clone(), unknown.clone()]).outcome, Outcome::Pass);
        let sold = Operation { value: Some(1), ..line(Op::Status, "b", 1, (9, 10), Out::Ok) };
        assert_eq!(no_oversell(&[lost, bought.clone(), unknown, sold]).outcome, Outcome::Fail);
        // Units that were asked for after they were sold.
        let later = line(Op::Receive, "r", 2, (5, 6), Out::Ok);
        assert_eq!(no_oversell(&[later, bought.clone()]).outcome, Outcome::Fail);
        let opening = Operation { value: Some(2), ..line(Op::Read, "", 0, (0, 1), Out::Ok) };
        assert_eq!(no_oversell(&[opening, bought]).outcome, Outcome::Pass);
    }
}
