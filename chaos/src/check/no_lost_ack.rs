//! What somebody was told is theirs, was still theirs after the run.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::verdict::{Outcome, Verdict, Violation};
use crate::history::{Checkout, Found, Op, Operation, Out, Settled, ShopLine, Standing};

pub const NO_LOST_ACK: &str = "no_lost_ack";

/// The verdict, and how many acknowledged operations were lost: the RPO.
pub fn no_lost_ack(history: &[Operation], shop: &[ShopLine]) -> (Verdict, u64) {
    let mut tally = Tally::default();
    sold(history, &mut tally);
    ordered(shop, &mut tally);
    let Tally { acknowledged, unseen, violations } = tally;
    let lost = violations.len() as u64;
    if acknowledged == 0 {
        return (Verdict::skipped(NO_LOST_ACK, "nothing was acknowledged"), 0);
    }
    let summary = match (lost, unseen) {
        (0, 0) => format!("all {acknowledged} acknowledged purchases and orders are there"),
        (0, _) => format!("{unseen} of {acknowledged} acknowledged purchases and orders were not looked for after the run"),
        _ => format!("{lost} of {acknowledged} acknowledged purchases and orders are lost"),
    };
    let outcome = if unseen == 0 { Outcome::Pass } else { Outcome::Undecided };
    (Verdict::new(NO_LOST_ACK, outcome, summary, violations), lost)
}

#[derive(Default)]
struct Tally {
    acknowledged: u64,
    /// Nobody looked what became of them.
    unseen: u64,
    violations: Vec<Violation>,
}

type ToldAndFound<'a> = (Option<&'a Operation>, Option<&'a Operation>);

/// Purchases and confirmed holds of the inventory's clients.
fn sold(history: &[Operation], tally: &mut Tally) {
    let mut ids: BTreeMap<(&str, &str), ToldAndFound<'_>> = BTreeMap::new();
    for line in history.iter().filter(|line| !line.id.is_empty()) {
        let id = ids.entry((&line.sku, &line.id)).or_default();
        match (line.op, line.out) {
            (Op::Purchase | Op::Confirm, Out::Ok) => id.0 = id.0.or(Some(line)),
            (Op::Status, _) if line.settled().is_some() && id.1.is_none_or(|seen| seen.call < line.call) => id.1 = Some(line),
            _ => {}
        }
    }
    for (told, found) in ids.into_values() {
        let Some(told) = told else { continue };
        tally.acknowledged += 1;
        match found {
            None => tally.unseen += 1,
            Some(found) if found.settled() == Some(Settled::Sold) => {}
            Some(found) => tally.violations.push(Violation {
                what: format!("{} of {} was acknowledged and is not sold", told.id, told.sku),
                operations: vec![told.to_string(), found.to_string()],
            }),
        }
    }
}

/// Orders of shoppers, in both stores.
fn ordered(shop: &[ShopLine], tally: &mut Tally) {
    let found: BTreeMap<Uuid, &Found> = shop
        .iter()
        .filter_map(|line| match line {
            ShopLine::Found(found) => Some((found.order, found)),
            _ => None,
        })
        .collect();
    let mut orders: BTreeMap<Uuid, &Checkout> = BTreeMap::new();
    for line in shop {
        if let ShopLine::Checkout(checkout @ Checkout { order: Some(order), .. }) = line {
            orders.entry(*order).or_insert(checkout);
        }
    }
    for (order, told) in orders {
        tally.acknowledged += 1;
        let missing = match found.get(&order) {
            None => {
                tally.unseen += 1;
                continue;
            }
            Some(found) if found.recorded.is_empty() => "PostgreSQL does not have it",
            Some(found) if found.inventory != Standing::Sold => "the inventory does not hold its units for it",
            Some(_) => continue,
        };
        let what = format!("order {order} was acknowledged, and {missing}");
        tally.violations.push(Violation { what, operations: vec![told.to_string()] });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Line;

    fn line(op: Op, call: u64, value: Option<u64>, out: Out) -> Operation {
        let (sku, id) = ("cup".to_owned(), "a".to_owned());
        Operation { client: 1, op, sku, id, qty: 2, call, ret: Some(call + 1), out, value, ver: None }
    }

    fn shop(inventory: Standing, recorded: &[Line]) -> Vec<ShopLine> {
        let lines = vec![Line { sku: "cup".to_owned(), qty: 2 }];
        let (order, key, edge) = (Uuid::from_u128(7), "k".to_owned(), "e:1".to_owned());
        let (region, status) = ("eu".to_owned(), Some(201));
        let (call, ret, out) = (1, Some(2), Out::Ok);
        let told =
            Checkout { shopper: 1, key, edge, region, home: String::new(), lines, call, ret, out, order: Some(order), status };
        let found = Found { order, inventory, promised: told.lines.clone(), recorded: recorded.to_vec(), recorded_at: None };
        vec![ShopLine::Checkout(told), ShopLine::Found(found)]
    }

    #[test]
    fn a_purchase_that_was_acknowledged_and_is_gone_is_named() {
        let bought = line(Op::Purchase, 1, None, Out::Ok);
        let sold = line(Op::Status, 5, Some(2), Out::Ok);
        assert_eq!(no_lost_ack(&[bought.clone(), sold], &[]).0.outcome, Outcome::Pass);
        assert_eq!(no_lost_ack(std::slice::from_ref(&bought), &[]).0.outcome, Outcome::Undecided);
        let (verdict, lost) = no_lost_ack(&[bought.clone(), line(Op::Status, 5, None, Out::NotFound)], &[]);
        assert_eq!((verdict.outcome, lost), (Outcome::Fail, 1));
        assert_eq!(verdict.violations[0].operations.len(), 2);
        assert_eq!(no_lost_ack(&[], &[]).0.outcome, Outcome::Skipped);
    }

    #[test]
    fn an_order_that_was_acknowledged_has_to_be_in_both_stores() {
        let recorded = vec![Line { sku: "cup".to_owned(), qty: 2 }];
        assert_eq!(no_lost_ack(&[], &shop(Standing::Sold, &recorded)).0.outcome, Outcome::Pass);
        for (inventory, recorded, what) in [
            (Standing::Sold, &[][..], "PostgreSQL does not have it"),
            (Standing::Released, &recorded[..], "does not hold its units"),
        ] {
            let (verdict, lost) = no_lost_ack(&[], &shop(inventory, recorded));
            assert_eq!((verdict.outcome, lost), (Outcome::Fail, 1));
            assert!(verdict.violations[0].what.contains(what) && verdict.violations[0].operations[0].contains("key k"));
        }
    }
}
