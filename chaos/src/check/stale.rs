//! Bounded staleness: what an edge says is available was so at some time within the bound, and it is honest about how old its word is.

use std::collections::BTreeMap;

use super::verdict::{Outcome, Verdict, Violation};
use crate::{
    history::{Level, Look, ShopLine},
    run::Fault,
};

pub const BOUNDED_STALENESS: &str = "bounded_staleness";

/// By how much the log's clock and the run's may differ: both are of machines that keep time by NTP.
const CLOCKS_NS: u64 = 250_000_000;

/// A change has the time at which the leader took it up, and shows once a quorum has it: within 4 s, or its proposer is told nothing.
const IN_LOG_NS: u64 = 4_000_000_000;

/// How long after a fault's end an edge may still be about to hear again: the next try of its feed.
const HEARS_AGAIN_NS: u64 = 10_000_000_000;

/// `bound_ns`: how old an edge's word may be. While a fault is in place, and until edges hear again, it may be older by as long as that fault
/// has been there; it has to say so all the same.
pub fn bounded_staleness(shop: &[ShopLine], bound_ns: u64, faults: &[Fault]) -> Verdict {
    let bound_at = |look: &Look| {
        let in_place = |fault: &&Fault| {
            let ends = fault.to_ms.map_or(u64::MAX, |to_ms| (to_ms * 1_000_000).saturating_add(HEARS_AGAIN_NS));
            fault.from_ms * 1_000_000 <= look.ret && look.call <= ends
        };
        let since = faults.iter().filter(in_place).map(|fault| look.ret - fault.from_ms * 1_000_000).max();
        bound_ns.saturating_add(since.unwrap_or_default())
    };
    let mut levels: BTreeMap<&str, Vec<&Level>> = BTreeMap::new();
    let mut looks = Vec::new();
    for line in shop {
        match line {
            ShopLine::Level(level) => levels.entry(&level.sku).or_default().push(level),
            ShopLine::Look(look) => looks.push(look),
            ShopLine::Checkout(_) | ShopLine::Found(_) => {}
        }
    }
    if looks.is_empty() {
        return Verdict::skipped(BOUNDED_STALENESS, "nobody looked at an edge");
    }
    levels.values_mut().for_each(|levels| levels.sort_by_key(|level| level.ver));
    let (mut oldest, mut oldest_of_all, mut unknown, mut violations) = (0, 0, 0, Vec::new());
    for look in &looks {
        let (age, bound) = (look.ret.saturating_sub(look.as_of), bound_at(look));
        oldest_of_all = oldest_of_all.max(age);
        if bound == bound_ns {
            oldest = oldest.max(age);
        }
        match levels.get(look.sku.as_str()) {
            Some(levels) => violations.extend(wrong(look, levels, bound)),
            None => unknown += 1,
        }
    }
    let (all, bound_ms) = (looks.len(), bound_ns / 1_000_000);
    let (outcome, summary) = match (violations.len(), unknown) {
        (0, 0) => {
            let (oldest, of_all) = (oldest / 1_000_000, oldest_of_all / 1_000_000);
            let summary =
                format!("{all} looks at edges, the oldest of {oldest} ms, {bound_ms} ms are allowed; during faults {of_all} ms");
            (Outcome::Pass, summary)
        }
        (0, _) => (Outcome::Undecided, format!("of {unknown} of {all} looks the SKU's ledger was not read")),
        (stale, _) => (Outcome::Fail, format!("{stale} of {all} looks saw stock older than {bound_ms} ms, or said so wrongly")),
    };
    Verdict::new(BOUNDED_STALENESS, outcome, summary, violations)
}

/// `levels`: in order of version.
fn wrong(look: &Look, levels: &[&Level], bound_ns: u64) -> Option<Violation> {
    let said = |what: String| {
        let (call, ret) = (look.call / 1_000_000, look.ret / 1_000_000);
        let line = format!(
            "{} ({}): {} x {} available, as of {} ms [{call}..{ret} ms]",
            look.edge,
            look.region,
            look.value,
            look.sku,
            look.as_of / 1_000_000
        );
        Some(Violation { what: format!("{}: {what}", look.sku), operations: vec![line] })
    };
    let was = |from: u64, to: u64, late_ns: u64| {
        // Each level holds from its change to the next.
        levels.iter().enumerate().any(|(at, level)| {
            let until = levels.get(at + 1).map_or(u64::MAX, |next| next.at.saturating_add(CLOCKS_NS + late_ns));
            level.value == look.value && level.at.saturating_sub(CLOCKS_NS) <= to && until >= from
        })
    };
    if !was(look.call.saturating_sub(bound_ns), look.ret, 0) {
        return said(format!(
            "{} available were told, and at no time of the last {} ms were there so many",
            look.value,
            bound_ns / 1_000_000
        ));
    }
    let age_ns = look.call.saturating_sub(look.as_of);
    if age_ns > bound_ns.saturating_add(CLOCKS_NS) {
        return said(format!("the edge's own word is {} ms old", age_ns / 1_000_000));
    }
    if !was(look.as_of, look.ret, IN_LOG_NS) {
        return said("what was told is older than the edge says".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn shop(value: u64, as_of: u64, at: u64) -> Vec<ShopLine> {
        let sku = || "cup".to_owned();
        let levels = [(1, 0, 9), (2, 10, 8), (3, 20, 7)]
            .map(|(ver, at, value)| ShopLine::Level(Level { sku: sku(), ver, at: at * SECOND, value }));
        let (edge, region) = ("e:1".to_owned(), "eu".to_owned());
        let look = Look { edge, region, sku: sku(), call: at * SECOND, ret: at * SECOND + 5, value, as_of: as_of * SECOND };
        levels.into_iter().chain([ShopLine::Look(look)]).collect()
    }

    #[test]
    fn a_word_is_true_of_some_moment_within_the_bound_and_says_so() {
        for (value, as_of, at) in [(9, 5, 5), (8, 15, 15), (8, 19, 21), (7, 40, 41)] {
            let verdict = bounded_staleness(&shop(value, as_of, at), 2 * SECOND, &[]);
            assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
        }
        let planted =
            [(9, 14, 15, "at no time of the last 2000 ms"), (8, 40, 41, "at no time"), (7, 30, 41, "own word is 11000 ms old")];
        for (value, as_of, at, what) in planted {
            let verdict = bounded_staleness(&shop(value, as_of, at), 2 * SECOND, &[]);
            assert!(verdict.outcome == Outcome::Fail && verdict.violations[0].what.contains(what), "{verdict:?}");
        }
    }

    #[test]
    fn an_edge_that_calls_old_stock_new_is_not_honest() {
        let verdict = bounded_staleness(&shop(8, 26, 26), 10 * SECOND, &[]);
        assert!(verdict.violations[0].what.contains("older than the edge says"), "{verdict:?}");
        assert_eq!(
            bounded_staleness(&shop(8, 23, 26), 10 * SECOND, &[]).outcome,
            Outcome::Pass,
            "it was on its way into the log"
        );
    }

    #[test]
    fn while_something_is_broken_a_word_may_be_older_and_has_to_say_so() {
        let fault = |from_ms, to_ms| [Fault { from_ms, to_ms, ..Fault::default() }];
        // Of 14 s, told at 28 s: 9 s into a fault it may be 11 s old, 14 s into it.
        let told = |faults: &[Fault]| bounded_staleness(&shop(8, 14, 28), 2 * SECOND, faults).outcome;
        assert_eq!((told(&fault(14_000, None)), told(&fault(14_000, Some(19_000)))), (Outcome::Pass, Outcome::Pass));
        assert_eq!((told(&fault(23_000, None)), told(&fault(14_000, Some(17_000)))), (Outcome::Fail, Outcome::Fail));
        let dishonest = bounded_staleness(&shop(8, 27, 28), 2 * SECOND, &fault(0, None));
        assert!(dishonest.violations[0].what.contains("older than the edge says"), "{dishonest:?}");
    }

    #[test]
    fn without_looks_or_ledgers_nothing_is_proved() {
        assert_eq!(bounded_staleness(&[], SECOND, &[]).outcome, Outcome::Skipped);
        let looks: Vec<ShopLine> = shop(9, 5, 5).into_iter().filter(|line| matches!(line, ShopLine::Look(_))).collect();
        assert_eq!(bounded_staleness(&looks, SECOND, &[]).outcome, Outcome::Undecided);
    }
}
