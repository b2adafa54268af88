//! When, after a fault, nothing waited any more and every replica had everything. Pure.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    history::{Out, ShopLine},
    run::{Fault, Replicas},
};

/// From when until when, in milliseconds; `None`: until the end of the run.
type Time = (u64, Option<u64>);

/// When each order that was accepted waited for its record in PostgreSQL. Most are recorded before they are answered, and wait not at all.
pub(super) fn waits(shop: &[ShopLine]) -> Vec<Time> {
    let mut accepted: BTreeMap<Uuid, u64> = BTreeMap::new();
    for line in shop {
        let ShopLine::Checkout(checkout) = line else { continue };
        if let (Out::Ok, Some(order), Some(ret)) = (checkout.out, checkout.order, checkout.ret) {
            let first = accepted.entry(order).or_insert(ret);
            *first = ret.min(*first);
        }
    }
    let wait = |line: &ShopLine| {
        let ShopLine::Found(found) = line else { return None };
        let ret = *accepted.get(&found.order)?;
        match found.recorded_at {
            Some(at) => (at > ret).then_some((ret / 1_000_000, Some(at / 1_000_000))),
            // A record without a time is of a history that has none.
            None => found.recorded.is_empty().then_some((ret / 1_000_000, None)),
        }
    };
    let mut waits: Vec<Time> = shop.iter().filter_map(wait).collect();
    waits.sort_unstable();
    waits
}

/// From the fault until no order waited that had begun to wait while there was one. 0: none waited. `None`: some still do.
pub(super) fn drained(fault: &Fault, waits: &[Time]) -> Option<u64> {
    over(fault, waits)
}

/// From the fault until every replica was level. 0: none fell behind. `None`: some still are, or nobody looked.
pub(super) fn level(fault: &Fault, replicas: &[Replicas]) -> Option<u64> {
    let first = replicas.first()?;
    let until = |at: usize| replicas.get(at + 1).map(|next| next.at_ms);
    let mut behind: Vec<Time> = Vec::new();
    for (at, look) in replicas.iter().enumerate().filter(|(_, look)| !look.level) {
        behind.push((look.at_ms, until(at)));
    }
    (first.at_ms <= fault.from_ms).then(|| over(fault, &behind))?
}

/// The end of the times that begin before the fault's end, and of those that begin before these are over. `times`: in order.
fn over(fault: &Fault, times: &[Time]) -> Option<u64> {
    let mut until = fault.from_ms;
    let healed = fault.to_ms.unwrap_or(u64::MAX);
    for (from, to) in times {
        if to.is_some_and(|to| to <= fault.from_ms) {
            continue;
        }
        if *from > healed.max(until) {
            break;
        }
        until = until.max((*to)?);
    }
    Some(until - fault.from_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Checkout, Found, Line, Standing};

    fn fault() -> Fault {
        Fault { from_ms: 1_000, to_ms: Some(2_000), ..Fault::default() }
    }

    #[test]
    fn a_backlog_is_drained_when_what_began_to_wait_meanwhile_is_recorded() {
        assert_eq!(drained(&fault(), &[]), Some(0));
        assert_eq!(drained(&fault(), &[(100, Some(900))]), Some(0), "it was over before");
        assert_eq!(drained(&fault(), &[(900, Some(1_100)), (1_500, Some(2_500))]), Some(1_500));
        // While those still waited, others came behind them; what came after nobody waited is another matter.
        let behind = [(1_500, Some(2_500)), (2_400, Some(3_000)), (3_100, Some(4_000))];
        assert_eq!(drained(&fault(), &behind), Some(2_000));
        assert_eq!(drained(&fault(), &[(1_500, Some(2_500)), (1_600, None)]), None);
    }

    #[test]
    fn an_order_waits_from_its_answer_to_its_record() {
        let order = Uuid::from_u128(7);
        let checkout = |ret_ms: u64| {
            let ret = Some(ret_ms * 1_000_000);
            let told = Checkout::example("k", (0, ret), Out::Ok);
            ShopLine::Checkout(Checkout { order: Some(order), status: Some(202), ..told })
        };
        let found = |recorded_at: Option<u64>, units: u64| {
            let recorded = (0..units).map(|_| Line { sku: "cup".to_owned(), qty: 1 }).collect();
            let recorded_at = recorded_at.map(|ms| ms * 1_000_000);
            ShopLine::Found(Found { order, inventory: Standing::Sold, promised: Vec::new(), recorded, recorded_at })
        };
        let told = |found: ShopLine| waits(&[checkout(700), checkout(500), found]);
        assert_eq!(told(found(Some(900), 1)), [(500, Some(900))]);
        assert_eq!(told(found(Some(400), 1)), [], "recorded before it was answered");
        assert_eq!(told(found(None, 0)), [(500, None)]);
        assert_eq!(told(found(None, 1)), [], "nobody knows when");
    }

    #[test]
    fn replicas_are_level_again_when_the_last_is() {
        let looks =
            |of: &[(u64, bool)]| of.iter().map(|(at_ms, level)| Replicas { at_ms: *at_ms, level: *level }).collect::<Vec<_>>();
        let level = |of: &[(u64, bool)]| level(&fault(), &looks(of));
        assert_eq!(level(&[]), None, "nobody looked");
        assert_eq!(level(&[(0, true)]), Some(0));
        assert_eq!(level(&[(0, false), (300, true)]), Some(0), "they were behind before");
        assert_eq!(level(&[(0, true), (1_100, false), (2_600, true), (9_000, false)]), Some(1_600));
        assert_eq!(level(&[(0, true), (1_100, false), (1_300, true), (1_400, false), (1_700, true)]), Some(700));
        assert_eq!(level(&[(0, true), (1_100, false)]), None);
    }
}
