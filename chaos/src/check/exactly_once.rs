//! One key is one order, one id is one command: every answer to it is the first one again, and it took its units once.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::verdict::{Outcome, Verdict, Violation};
use crate::history::{Checkout, Found, Line, Op, Operation, Out, Settled, ShopLine};

pub const EXACTLY_ONCE: &str = "exactly_once";

pub fn exactly_once(history: &[Operation], shop: &[ShopLine]) -> Verdict {
    let mut violations = Vec::new();
    let commands = of_commands(history, &mut violations);
    let keys = of_keys(shop, &mut violations);
    if commands + keys == 0 {
        return Verdict::skipped(EXACTLY_ONCE, "nothing that was asked for was decided");
    }
    let summary = match violations.len() {
        0 => format!("{commands} commands and {keys} keys were decided at most once each"),
        wrong => format!("{wrong} commands or keys of {} were decided twice", commands + keys),
    };
    Verdict::new(EXACTLY_ONCE, Outcome::Pass, summary, violations)
}

/// Gives how many commands were decided.
fn of_commands(history: &[Operation], into: &mut Vec<Violation>) -> u64 {
    let mut commands: BTreeMap<(&str, &str, Op), Vec<&Operation>> = BTreeMap::new();
    for line in history.iter().filter(|line| !line.id.is_empty()) {
        commands.entry((&line.sku, &line.id, line.op)).or_default().push(line);
    }
    let mut known = 0;
    for ((sku, id, op), lines) in &commands {
        let remembered = |line: &&&Operation| match op {
            Op::Receive | Op::Reserve | Op::Purchase => line.is_decided(),
            _ => line.out == Out::Ok,
        };
        let mut decided = lines.iter().filter(remembered);
        let Some(first) = decided.next() else { continue };
        known += 1;
        let other = |line: &&&Operation| {
            first.out != line.out || (*op != Op::Status && first.ver.zip(line.ver).is_some_and(|(one, other)| one != other))
        };
        if let Some(other) = decided.find(other) {
            let what = format!("{op:?} {id} of {sku} was decided twice");
            into.push(Violation { what, operations: vec![first.to_string(), other.to_string()] });
        }
        taken_once(&commands, (sku, id, *op), first, into);
    }
    known
}

/// The units that an id took in the end are those that were asked for.
fn taken_once(
    commands: &BTreeMap<(&str, &str, Op), Vec<&Operation>>,
    (sku, id, op): (&str, &str, Op),
    status: &Operation,
    into: &mut Vec<Violation>,
) {
    if op != Op::Status || status.settled() != Some(Settled::Sold) {
        return;
    }
    let of = |op| commands.get(&(sku, id, op)).and_then(|lines| lines.first());
    let Some(asked) = of(Op::Purchase).or_else(|| of(Op::Reserve)) else { return };
    let sold = status.value.unwrap_or_default();
    if sold != asked.qty {
        let what = format!("{id} of {sku}: {} asked for, {sold} sold", asked.qty);
        into.push(Violation { what, operations: vec![asked.to_string(), status.to_string()] });
    }
}

/// Gives how many keys were decided.
fn of_keys(shop: &[ShopLine], into: &mut Vec<Violation>) -> u64 {
    let mut keys: BTreeMap<(u64, &str), Vec<&Checkout>> = BTreeMap::new();
    let mut found: BTreeMap<Uuid, &Found> = BTreeMap::new();
    for line in shop {
        match line {
            ShopLine::Checkout(checkout) => keys.entry((checkout.shopper, &checkout.key)).or_default().push(checkout),
            ShopLine::Found(of) => {
                found.insert(of.order, of);
            }
            ShopLine::Look(_) | ShopLine::Level(_) => {}
        }
    }
    let mut known = 0;
    let mut owner: BTreeMap<Uuid, &Checkout> = BTreeMap::new();
    for ((shopper, key), attempts) in &keys {
        let decided: Vec<&&Checkout> =
            attempts.iter().filter(|attempt| matches!(attempt.out, Out::Ok | Out::Insufficient)).collect();
        let Some(first) = decided.first() else { continue };
        known += 1;
        if let Some(other) = decided.iter().find(|other| (other.out, other.order) != (first.out, first.order)) {
            let orders: BTreeSet<Uuid> = decided.iter().filter_map(|attempt| attempt.order).collect();
            let what = match orders.len() {
                2.. => format!("shopper {shopper} has {} orders for key {key}", orders.len()),
                _ => format!("shopper {shopper} was accepted and refused under key {key}"),
            };
            into.push(Violation { what, operations: vec![first.to_string(), other.to_string()] });
        }
        let Some(order) = first.order else { continue };
        if let Some(other) = owner.insert(order, first) {
            let what = format!("two keys have the order {order}");
            into.push(Violation { what, operations: vec![other.to_string(), first.to_string()] });
        }
        of_units(first, found.get(&order).copied(), into);
    }
    known
}

/// The units in either store are those of the cart, once.
fn of_units(asked: &Checkout, found: Option<&Found>, into: &mut Vec<Violation>) {
    let Some(found) = found else { return };
    let mut wanted: BTreeMap<&str, u64> = BTreeMap::new();
    asked.lines.iter().for_each(|line| *wanted.entry(&line.sku).or_default() += line.qty);
    for (store, lines) in [("the inventory promised", &found.promised), ("PostgreSQL has", &found.recorded)] {
        let has: BTreeMap<&str, u64> = lines.iter().map(|Line { sku, qty }| (sku.as_str(), *qty)).collect();
        if !has.is_empty() && has != wanted {
            let what = format!("order {}: {wanted:?} were asked for, {store} {has:?}", found.order);
            into.push(Violation { what, operations: vec![asked.to_string()] });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Standing;

    fn attempt(key: &str, out: Out, order: Option<u128>) -> Checkout {
        let (edge, region, lines) = ("e:1".to_owned(), "eu".to_owned(), vec![Line { sku: "cup".to_owned(), qty: 2 }]);
        let (key, order) = (key.to_owned(), order.map(Uuid::from_u128));
        Checkout { shopper: 1, key, edge, region, home: String::new(), lines, call: 1, ret: Some(2), out, order, status: None }
    }

    fn wrong(attempts: Vec<Checkout>, found: Option<(u64, u64)>) -> Option<String> {
        let line = |qty| vec![Line { sku: "cup".to_owned(), qty }];
        let found = found.map(|(promised, recorded)| {
            let (order, inventory) = (Uuid::from_u128(7), Standing::Sold);
            ShopLine::Found(Found { order, inventory, promised: line(promised), recorded: line(recorded), recorded_at: None })
        });
        let shop: Vec<ShopLine> = attempts.into_iter().map(ShopLine::Checkout).chain(found).collect();
        exactly_once(&[], &shop).violations.first().map(|violation| violation.what.clone())
    }

    #[test]
    fn one_key_has_one_order_and_one_answer() {
        let first = attempt("k", Out::Ok, Some(7));
        let lost = attempt("k", Out::Unknown, None);
        assert_eq!(wrong(vec![lost.clone(), first.clone(), first.clone()], Some((2, 2))), None);
        let said = |attempts, found| wrong(attempts, found).unwrap();
        assert!(said(vec![first.clone(), attempt("k", Out::Ok, Some(8))], None).contains("2 orders for key k"));
        assert!(said(vec![first.clone(), attempt("k", Out::Insufficient, None)], None).contains("accepted and refused"));
        assert!(said(vec![first.clone(), attempt("l", Out::Ok, Some(7))], None).contains("two keys have the order"));
        assert!(said(vec![first.clone()], Some((2, 4))).contains("PostgreSQL has {\"cup\": 4}"));
        assert!(said(vec![first], Some((4, 2))).contains("the inventory promised"));
    }

    #[test]
    fn one_id_is_decided_once_and_takes_its_units_once() {
        let line = |op, out, ver, value| {
            let (sku, id) = ("cup".to_owned(), "a".to_owned());
            Operation { client: 1, op, sku, id, qty: 2, call: 1, ret: Some(2), out, value, ver }
        };
        let bought = line(Op::Purchase, Out::Ok, Some(3), None);
        let sold = |units| line(Op::Status, Out::Ok, Some(3), Some(units));
        assert_eq!(exactly_once(&[bought.clone(), bought.clone(), sold(2)], &[]).outcome, Outcome::Pass);
        for planted in [line(Op::Purchase, Out::Ok, Some(4), None), line(Op::Purchase, Out::Insufficient, None, None), sold(4)] {
            let verdict = exactly_once(&[bought.clone(), planted], &[]);
            assert!(verdict.outcome == Outcome::Fail && verdict.violations[0].operations.len() == 2, "{verdict:?}");
        }
    }
}
