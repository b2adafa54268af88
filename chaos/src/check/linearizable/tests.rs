//! The search against planted violations, against a naive checker, and against histories that were really sequential.

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Decision, LINEARIZABLE, decide, linearizable,
    reference::{Shelf, is_linearizable},
};
use crate::{
    check::Outcome,
    history::{Op, Operation, Out},
};

const TRIES: u64 = 1_000_000;

fn line(op: Op, id: &str, qty: u64, time: (u64, u64), out: Out) -> Operation {
    let (client, sku, id) = (1, "cup".to_owned(), id.to_owned());
    Operation { client, op, sku, id, qty, call: time.0, ret: Some(time.1), out, value: None, ver: None }
}

fn told(op: Op, id: &str, qty: u64, time: (u64, u64), out: Out, (value, ver): (Option<u64>, Option<u64>)) -> Operation {
    Operation { value, ver, ..line(op, id, qty, time, out) }
}

fn decided(lines: &[Operation]) -> Decision {
    decide("cup", &lines.iter().enumerate().collect::<Vec<_>>(), TRIES)
}

/// The lines that prove the violation.
fn proof(lines: &[Operation]) -> (String, Vec<usize>) {
    assert!(!is_linearizable(lines), "the naive checker explains it");
    match decided(lines) {
        Decision::Violated { what, proof } => (what, proof),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_oversell_by_one_is_rejected_with_and_without_versions() {
    let mut lines = vec![line(Op::Receive, "r", 3, (0, 1), Out::Ok)];
    lines.extend((0..4).map(|n| line(Op::Purchase, &format!("p{n}"), 1, (10 + 10 * n, 15 + 10 * n), Out::Ok)));
    let (what, by) = proof(&lines);
    assert!(what.contains("cup: with 0 available at version 4 after 4 decisions"), "{what}");
    assert_eq!(by, [4]);
    lines.iter_mut().zip(1..).for_each(|(line, ver)| line.ver = Some(ver));
    assert_eq!(proof(&lines).1, [4]);
    // All at once: nobody can tell which is the one too many.
    lines.iter_mut().skip(1).for_each(|line| (line.call, line.ret, line.ver) = (10, Some(99), None));
    assert_eq!(proof(&lines).1, [1, 2, 3, 4]);
}

#[test]
fn a_stale_read_is_rejected_and_two_lines_prove_it() {
    let lines = vec![
        told(Op::Receive, "r", 5, (0, 1), Out::Ok, (None, Some(1))),
        told(Op::Purchase, "a", 1, (2, 3), Out::Ok, (None, Some(2))),
        told(Op::Purchase, "b", 1, (4, 5), Out::Ok, (None, Some(3))),
        told(Op::Read, "", 0, (6, 7), Out::Ok, (Some(4), Some(2))),
    ];
    let (what, by) = proof(&lines);
    assert!(what.contains("stale") && by == [2, 3], "{what} {by:?}");
    let mut bare = lines;
    bare.iter_mut().for_each(|line| line.ver = None);
    let (what, by) = proof(&bare);
    assert!(what.contains("with 3 available") && by == [3], "{what} {by:?}");
}

#[test]
fn answers_that_contradict_each_other_are_rejected_by_those_two() {
    let received = told(Op::Receive, "r", 5, (0, 1), Out::Ok, (None, Some(1)));
    let same = told(Op::Purchase, "a", 1, (2, 9), Out::Ok, (None, Some(2)));
    let other = Operation { id: "b".to_owned(), ..same.clone() };
    let (what, by) = proof(&[received.clone(), same.clone(), other]);
    assert!(what.contains("two changes made version 2") && by == [1, 2], "{what}");
    let refused = told(Op::Purchase, "a", 1, (20, 29), Out::Insufficient, (Some(0), None));
    let (what, by) = proof(&[received.clone(), same.clone(), refused]);
    assert!(what.contains("two different answers") && by == [1, 2], "{what}");
    let reads = [(4, 2), (3, 2)].map(|(value, ver)| told(Op::Read, "", 0, (2, 19), Out::Ok, (Some(value), Some(ver))));
    let (what, by) = proof(&[vec![received, same], reads.to_vec()].concat());
    assert!(what.contains("version 2 has 4 available for one and 3 for another") && by == [2, 3], "{what}");
}

#[test]
fn a_lost_acknowledged_purchase_and_a_leaked_hold_are_rejected() {
    let received = line(Op::Receive, "r", 5, (0, 1), Out::Ok);
    let bought = line(Op::Purchase, "a", 2, (2, 3), Out::Ok);
    let gone = told(Op::Status, "a", 0, (8, 9), Out::NotFound, (None, None));
    assert_eq!(proof(&[received.clone(), bought, gone]).1, [1, 2]);
    // Released, and its units did not come back.
    let held = line(Op::Reserve, "h", 2, (2, 3), Out::Ok);
    let released = line(Op::Release, "h", 0, (4, 5), Out::Ok);
    let read = told(Op::Read, "", 0, (6, 7), Out::Ok, (Some(3), None));
    let (what, by) = proof(&[received, held, released, read]);
    assert!(what.contains("with 5 available") && by == [3], "{what} {by:?}");
}

#[test]
fn a_confirm_that_did_nothing_explains_no_sale() {
    let received = line(Op::Receive, "r", 4, (0, 1), Out::Ok);
    let held = line(Op::Reserve, "h", 1, (2, 9), Out::Ok);
    // It may have come before the hold; then nobody has sold it.
    let confirmed = told(Op::Confirm, "h", 0, (8, 15), Out::NotFound, (None, None));
    let sold = told(Op::Status, "h", 0, (20, 20), Out::Ok, (Some(1), None));
    let lines = [received, held, confirmed, sold];
    assert!(matches!(decided(&lines), Decision::Violated { .. }), "{:?}", decided(&lines));
    let kept = told(Op::Status, "h", 0, (20, 20), Out::Ok, (None, None));
    assert_eq!(decided(&[&lines[..3], &[kept]].concat()), Decision::Explained);
}

#[test]
fn an_answer_that_was_lost_may_have_been_executed_and_may_not() {
    let received = line(Op::Receive, "r", 2, (0, 1), Out::Ok);
    let lost = Operation { ret: None, ..line(Op::Purchase, "a", 2, (2, 2), Out::Unknown) };
    let read = |at, value| told(Op::Read, "", 0, (at, at + 1), Out::Ok, (Some(value), None));
    for values in [[2, 2], [2, 0], [0, 0]] {
        let lines = [received.clone(), lost.clone(), read(5, values[0]), read(7, values[1])];
        assert_eq!(decided(&lines), Decision::Explained, "{values:?}");
    }
    assert_eq!(proof(&[received.clone(), lost.clone(), read(5, 0), read(7, 2)]).1, [0, 2, 3]);
    assert_eq!(proof(&[received, lost, read(5, 1)]).1, [2]);
}

#[test]
fn that_nobody_knew_the_sku_is_remembered_as_well() {
    let received = line(Op::Receive, "r", 3, (30, 40), Out::Ok);
    let first = Operation { out: Out::Unknown, ret: None, ..line(Op::Reserve, "a", 1, (10, 11), Out::Ok) };
    let again = line(Op::Reserve, "a", 1, (50, 60), Out::NotFound);
    for (lines, is_explained) in [(vec![received.clone(), first, again.clone()], true), (vec![received, again], false)] {
        assert_eq!((decided(&lines) == Decision::Explained, is_linearizable(&lines)), (is_explained, is_explained));
    }
}

#[test]
fn what_is_not_there_has_no_version() {
    let held = line(Op::Reserve, "a", 1, (20, 40), Out::Ok);
    let received = line(Op::Receive, "r", 3, (0, 10), Out::Ok);
    let early = |ver| told(Op::Confirm, "a", 0, (30, 35), Out::NotFound, (None, ver));
    for (ver, is_explained) in [(None, true), (Some(3), false)] {
        let lines = [received.clone(), held.clone(), early(ver)];
        assert_eq!((decided(&lines) == Decision::Explained, is_linearizable(&lines)), (is_explained, is_explained));
    }
}

#[test]
fn the_verdict_names_the_sku_and_the_operations() {
    let mut lines = vec![line(Op::Receive, "r", 1, (0, 1), Out::Ok)];
    lines.extend((0..2).map(|n| line(Op::Purchase, &format!("p{n}"), 1, (10 + 10 * n, 15 + 10 * n), Out::Ok)));
    lines.push(Operation { sku: "pen".to_owned(), ..line(Op::Receive, "q", 1, (0, 1), Out::Ok) });
    let verdict = linearizable(&lines);
    assert_eq!((verdict.check.as_str(), verdict.outcome, verdict.violations.len()), (LINEARIZABLE, Outcome::Fail, 1));
    assert!(verdict.violations[0].what.starts_with("cup: "));
    assert!(verdict.violations[0].operations[0].contains("purchase 1 cup id p1: ok"), "{:?}", verdict.violations);
}

/// A history as clients would record it from a stock that really decides one at a time.
pub(super) fn sequential(seed: u64, operations: usize, width: u64, (versions, audited): (bool, bool)) -> Vec<Operation> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (mut shelf, mut ids): (Shelf, Vec<String>) = (Shelf::default(), Vec::new());
    let mut lines = vec![told(Op::Read, "", 0, (0, 1), Out::Ok, (Some(0), Some(0)))];
    for n in 0..operations {
        let at = 1_000 + 10 * n as u64;
        if !ids.is_empty() && random.random_bool(0.05) {
            let held = ids[random.random_range(0..ids.len())].clone();
            shelf.expire(&held);
        }
        let old = ids.last().cloned().filter(|_| random.random_bool(0.5)).unwrap_or_default();
        let any = || format!("i{n}");
        let (op, id, qty) = match random.random_range(0..10) {
            0 => (Op::Receive, any(), random.random_range(1..5)),
            1..=2 => (Op::Purchase, any(), random.random_range(1..3)),
            3..=5 => (Op::Reserve, any(), random.random_range(1..3)),
            6 if !old.is_empty() => (Op::Confirm, old, 0),
            7 if !old.is_empty() => (Op::Release, old, 0),
            8 if !old.is_empty() => (Op::Status, old, 0),
            _ => (Op::Read, String::new(), 0),
        };
        if op == Op::Reserve {
            ids.push(id.clone());
        }
        let (out, value, ver) = shelf.execute(op, &id, qty);
        let time = (at - random.random_range(0..width), at + random.random_range(0..width));
        let ver = ver.filter(|_| versions);
        let whole = told(op, &id, qty, time, out, (value, ver));
        let lost = Operation { out: Out::Unknown, ret: None, value: None, ver: None, ..whole.clone() };
        match random.random_range(0..20) {
            // The answer is lost, and asked for again under the same id.
            0 if op != Op::Read && op != Op::Status => {
                let (out, value, ver) = shelf.execute(op, &id, qty);
                let time = (at + 1, at + width + random.random_range(1..width));
                lines.extend([lost, told(op, &id, qty, time, out, (value, ver.filter(|_| versions)))]);
            }
            1..=2 => lines.push(lost),
            _ => lines.push(whole),
        }
    }
    if audited {
        let asked: std::collections::BTreeSet<String> =
            lines.iter().map(|line| line.id.clone()).filter(|id| !id.is_empty()).collect();
        let at = 2_000 + 10 * operations as u64 + 2 * width;
        for (id, at) in asked.into_iter().zip(at..) {
            let (out, value, ver) = shelf.execute(Op::Status, &id, 0);
            lines.push(told(Op::Status, &id, 0, (at, at), out, (value, ver.filter(|_| versions))));
        }
    }
    lines
}

fn mutated(mut lines: Vec<Operation>, seed: u64) -> Vec<Operation> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let answered: Vec<usize> = (1..lines.len()).filter(|at| lines[*at].is_decided()).collect();
    let Some(at) = answered.get(random.random_range(0..answered.len().max(1))) else { return lines };
    let line = &mut lines[*at];
    match random.random_range(0..4) {
        0 if line.value.is_some() => line.value = line.value.map(|value| value + 1),
        1 if line.ver.is_some() => line.ver = line.ver.map(|ver| ver + 1),
        2 if line.op != Op::Read => line.out = if line.out == Out::Ok { Out::NotFound } else { Out::Ok },
        _ if line.out == Out::Ok && matches!(line.op, Op::Purchase | Op::Reserve) => line.out = Out::Insufficient,
        _ => {
            let same = line.clone();
            let of_it = |line: &&mut Operation| line.id == same.id && line.op == same.op;
            lines.iter_mut().filter(of_it).for_each(|line| line.qty += 1);
        }
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_was_sequential_is_accepted(seed in any::<u64>(), operations in 1..120_usize, width in 2..60_u64, versions in any::<bool>(), audited in any::<bool>()) {
        let lines = sequential(seed, operations, width, (versions, audited));
        prop_assert_eq!(decided(&lines), Decision::Explained);
    }

    #[test]
    fn small_histories_are_judged_as_by_trying_every_order(seed in any::<u64>(), operations in 1..9_usize, width in 2..60_u64, versions in any::<bool>(), audited in any::<bool>()) {
        let lines = mutated(sequential(seed, operations, width, (versions, audited)), seed);
        let found = decided(&lines);
        match is_linearizable(&lines) {
            true => prop_assert_eq!(found, Decision::Explained, "{:#?}", lines),
            false => prop_assert!(matches!(found, Decision::Violated { .. }), "{found:?} {lines:#?}"),
        }
    }

    #[test]
    fn a_counterexample_is_wrong_by_itself(seed in any::<u64>(), operations in 8..40_usize, width in 2..40_u64, audited in any::<bool>()) {
        // With everything else as if it had never been answered.
        let lines = mutated(sequential(seed, operations, width, (false, audited)), seed);
        if let Decision::Violated { proof, .. } = decided(&lines) {
            let start = lines.iter().enumerate().filter(|(at, line)| proof.contains(at) || line.op != Op::Read);
            let kept: Vec<Operation> = start.map(|(_, line)| line.clone()).collect();
            prop_assert!(!matches!(decided(&kept), Decision::Explained), "{proof:?} {lines:#?}");
        }
    }
}

/// How long a history of 100,000 operations takes: `cargo test -p chaos --lib -- --ignored --nocapture how_fast`.
#[test]
#[ignore = "a measurement"]
fn how_fast() {
    for (versions, width, skus) in [(true, 160, 1), (true, 160, 20), (false, 20, 20), (false, 160, 20)] {
        let of = |sku: u64| {
            let lines = sequential(sku + 1, 100_000 / skus, width, (versions, true));
            lines.into_iter().map(move |line| Operation { sku: format!("sku-{sku}"), ..line })
        };
        let lines: Vec<Operation> = (0..skus as u64).flat_map(of).collect();
        let began = std::time::Instant::now();
        let verdict = linearizable(&lines);
        let (took, overlap) = (began.elapsed(), width / 10);
        println!("{} lines, {skus} SKUs, {overlap} at a time, versions {versions}: {took:?}, {:?}", lines.len(), verdict.outcome);
    }
}
