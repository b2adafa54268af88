//! A sale of few units to many shoppers: exactly the units are sold, each shopper has at most one, and what was acknowledged is recorded.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// What a shopper was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// 201 or 202, with the order.
    Accepted(Uuid),
    /// 409 insufficient-stock.
    SoldOut,
    /// No answer that decides.
    Unknown,
}

/// All answers to one shopper's one key, in the order they came.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub shopper: usize,
    pub heard: Vec<Heard>,
}

/// `recorded`: orders in PostgreSQL with their units. Every difference is named.
pub fn sale(units: u64, attempts: &[Attempt], recorded: &BTreeMap<Uuid, u64>) -> Vec<String> {
    let mut differences = Vec::new();
    let sold: u64 = recorded.values().sum();
    if sold != units {
        differences.push(format!("{sold} units are in orders, {units} were for sale"));
    }
    let mut acknowledged: BTreeSet<Uuid> = BTreeSet::new();
    for Attempt { shopper, heard } in attempts {
        let decided: Vec<&Heard> = heard.iter().filter(|heard| **heard != Heard::Unknown).collect();
        if decided.windows(2).any(|pair| pair[0] != pair[1]) {
            differences.push(format!("shopper {shopper} got different answers under one key: {heard:?}"));
        }
        for heard in decided {
            if let Heard::Accepted(order) = heard {
                acknowledged.insert(*order);
            }
        }
        if heard.iter().all(|heard| *heard == Heard::Unknown) {
            differences.push(format!("shopper {shopper} never learned the outcome"));
        }
    }
    let lost = acknowledged.iter().filter(|order| !recorded.contains_key(order));
    differences.extend(lost.map(|order| format!("order {order} was acknowledged and is not recorded")));
    let unheard = recorded.keys().filter(|order| !acknowledged.contains(order));
    differences.extend(unheard.map(|order| format!("order {order} is recorded and nobody was told")));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn honest() -> (Vec<Attempt>, BTreeMap<Uuid, u64>) {
        let attempts = vec![
            Attempt { shopper: 0, heard: vec![Heard::Accepted(order(1)), Heard::Accepted(order(1))] },
            Attempt { shopper: 1, heard: vec![Heard::Unknown, Heard::Accepted(order(2))] },
            Attempt { shopper: 2, heard: vec![Heard::SoldOut] },
        ];
        (attempts, BTreeMap::from([(order(1), 1), (order(2), 1)]))
    }

    #[test]
    fn an_honest_sale_passes() {
        let (attempts, recorded) = honest();
        assert!(sale(2, &attempts, &recorded).is_empty());
    }

    #[test]
    fn planted_violations_are_named() {
        let found = |plant: fn(&mut Vec<Attempt>, &mut BTreeMap<Uuid, u64>)| {
            let (mut attempts, mut recorded) = honest();
            plant(&mut attempts, &mut recorded);
            sale(2, &attempts, &recorded).join("; ")
        };
        assert!(found(|_, recorded| recorded.extend([(order(3), 1)])).contains("3 units are in orders"));
        assert!(found(|_, recorded| recorded.retain(|id, _| *id != order(2))).contains("acknowledged and is not recorded"));
        assert!(
            found(|attempts, _| attempts[0].heard[1] = Heard::Accepted(order(9))).contains("different answers under one key")
        );
        assert!(found(|attempts, _| attempts[0].heard[1] = Heard::SoldOut).contains("different answers"));
        assert!(found(|attempts, _| attempts[2].heard[0] = Heard::Unknown).contains("never learned"));
    }
}
