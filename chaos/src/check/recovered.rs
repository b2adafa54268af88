//! Recovery in time: how long no checkout was answered, and how long after each fault they were again.

use std::collections::BTreeMap;

use super::verdict::{Outcome, Verdict, Violation};
use crate::{
    history::{Out, ShopLine},
    run::{Fault, Recovered, Recovery, Reign, Sample, Window},
};

pub const RECOVERED: &str = "recovered_in_time";

/// What the experiment expects; `None`: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InTime {
    pub rto_ms: Option<u64>,
    pub max_unavailable_ms: Option<u64>,
}

/// What is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub shop: &'a [ShopLine],
    pub samples: &'a [Sample],
    pub faults: &'a [Fault],
    pub reigns: &'a [Reign],
}

pub fn recovered(seen: &Seen<'_>, expected: InTime) -> (Verdict, Recovery) {
    let answered = answered(seen.shop);
    let asked_ms = asked_until(seen.shop);
    let windows: Vec<Window> =
        answered.iter().filter_map(|(region, times)| longest(region, times, asked_ms, seen.faults)).collect();
    let mut all: Vec<u64> = answered.into_values().flatten().collect();
    all.sort_unstable();
    let faults = seen.faults.iter().map(|fault| after(fault, &all, asked_ms, seen)).collect();
    let recovery = Recovery { faults, windows };
    (verdict(&recovery, expected), recovery)
}

fn verdict(recovery: &Recovery, expected: InTime) -> Verdict {
    if recovery.windows.is_empty() {
        return Verdict::skipped(RECOVERED, "no checkout was answered or asked for");
    }
    let mut violations = Vec::new();
    let wrong = |what: String| Violation { what, operations: Vec::new() };
    if let Some(most) = expected.max_unavailable_ms {
        for window in recovery.windows.iter().filter(|window| window.length_ms() > most) {
            let Window { region, from_ms, to_ms } = window;
            let length = window.length_ms();
            violations.push(wrong(format!(
                "{region}: no checkout was answered for {length} ms ({from_ms}..{to_ms} ms); {most} are allowed"
            )));
        }
    }
    if let Some(most) = expected.rto_ms {
        for Recovered { fault, rto_ms, .. } in recovery.faults.iter().filter(|fault| fault.rto_ms.is_none_or(|rto| rto > most)) {
            let took = rto_ms.map_or("never were again".to_owned(), |rto| format!("were again after {rto} ms"));
            violations.push(wrong(format!("{fault}: checkouts {took}; {most} ms are allowed")));
        }
    }
    let worst = recovery.windows.iter().map(Window::length_ms).max().unwrap_or_default();
    let summary = match recovery.faults.iter().map(|fault| fault.rto_ms).max_by_key(|rto| rto.unwrap_or(u64::MAX)) {
        Some(Some(rto)) => format!("recovered within {rto} ms; longest time without a checkout {worst} ms"),
        Some(None) => "checkouts were not answered again before the end".to_owned(),
        None => format!("longest time without a checkout {worst} ms"),
    };
    Verdict::new(RECOVERED, Outcome::Pass, summary, violations)
}

/// When checkouts were answered, by region, in order. Sold out is an answer.
fn answered(shop: &[ShopLine]) -> BTreeMap<String, Vec<u64>> {
    let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in shop {
        let ShopLine::Checkout(checkout) = line else { continue };
        let of = times.entry(checkout.region.clone()).or_default();
        of.extend(checkout.ret.filter(|_| matches!(checkout.out, Out::Ok | Out::Insufficient)).map(|ns| ns / 1_000_000));
    }
    times.values_mut().for_each(|times| times.sort_unstable());
    times
}

/// When somebody last asked for a checkout.
fn asked_until(shop: &[ShopLine]) -> u64 {
    let calls = shop.iter().filter_map(|line| match line {
        ShopLine::Checkout(checkout) => Some(checkout.call / 1_000_000),
        _ => None,
    });
    calls.max().unwrap_or_default()
}

/// How long after a fault's end a region's edges may take until they serve again.
const SERVES_AGAIN_MS: u64 = 5_000;

/// Without those in which the region's own edges were broken: its shoppers are other edges' then.
fn longest(region: &str, times: &[u64], asked_ms: u64, faults: &[Fault]) -> Option<Window> {
    let ends = times.iter().copied().chain([asked_ms.max(times.last().copied().unwrap_or_default())]);
    let begins = std::iter::once(times.first().copied().unwrap_or_default()).chain(times.iter().copied());
    // Until the first answer the clients were only coming; with none at all, all of the run is the window.
    let windows = begins.zip(ends).map(|(from_ms, to_ms)| Window { region: region.to_owned(), from_ms, to_ms });
    let of_its_own = |window: &Window| {
        let own = faults.iter().filter(|fault| fault.without.iter().any(|without| without == region));
        own.into_iter().any(|fault| {
            let ends = fault.to_ms.map_or(u64::MAX, |to| to + SERVES_AGAIN_MS);
            window.from_ms <= ends && window.to_ms >= fault.from_ms
        })
    };
    windows.filter(|window| !of_its_own(window)).max_by_key(Window::length_ms)
}

fn after(fault: &Fault, answered: &[u64], asked_ms: u64, seen: &Seen<'_>) -> Recovered {
    let since = |at_ms: u64| at_ms - fault.from_ms;
    let later = |reign: &&Reign| reign.at_ms >= fault.from_ms;
    let term = seen.reigns.iter().rev().find(|reign| !later(reign)).map_or(0, |reign| reign.term);
    let detected = seen.reigns.iter().filter(later).find(|reign| reign.leader.is_none() || reign.term > term);
    let elected = seen.reigns.iter().filter(later).find(|reign| reign.leader.is_some() && reign.term > term);
    Recovered {
        fault: format!("{} {}", fault.name, fault.target).trim().to_owned(),
        detected_ms: detected.map(|reign| since(reign.at_ms)),
        elected_ms: elected.map(|reign| since(reign.at_ms)),
        rto_ms: rto(fault, answered, asked_ms),
        level_ms: level(fault, seen.samples).map(|second| (second * 1_000).saturating_sub(fault.from_ms)),
    }
}

/// The end of the longest time without an answer that touches the fault, if that is longer than any before it.
fn rto(fault: &Fault, answered: &[u64], asked_ms: u64) -> Option<u64> {
    let gaps = || answered.windows(2).map(|pair| (pair[0], pair[1]));
    let usual = gaps().filter(|(_, to)| *to < fault.from_ms).map(|(from, to)| to - from).max().unwrap_or_default();
    let until = fault.to_ms.unwrap_or(u64::MAX);
    let touching = gaps().filter(|(from, to)| *to >= fault.from_ms && *from <= until).max_by_key(|(from, to)| to - from);
    let last = answered.last().copied().unwrap_or_default();
    if last < fault.from_ms || asked_ms.saturating_sub(last) > usual.max(LAST_ANSWER_MS) {
        return None;
    }
    Some(touching.filter(|(from, to)| to - from > usual).map_or(0, |(_, to)| to - fault.from_ms))
}

/// How long after the last answer somebody may still have asked: an election, and who asks then has left.
const LAST_ANSWER_MS: u64 = 5_000;

/// The first whole second after the fault whose p99 is within 1.2 times the median of those before.
fn level(fault: &Fault, samples: &[Sample]) -> Option<u64> {
    let mut worst: BTreeMap<u64, u64> = BTreeMap::new();
    for sample in samples.iter().filter(|sample| sample.kind == "checkout" && sample.ok > 0) {
        let of = worst.entry(sample.second).or_default();
        *of = sample.p99_us.max(*of);
    }
    let mut before: Vec<u64> =
        worst.iter().filter(|(second, _)| (**second + 1) * 1_000 <= fault.from_ms).map(|(_, us)| *us).collect();
    before.sort_unstable();
    let usual = before.get(before.len() / 2)?;
    let later = worst.iter().filter(|(second, _)| **second * 1_000 > fault.from_ms);
    later.filter(|(_, us)| **us * 10 <= usual * 12).map(|(second, _)| *second).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Checkout;

    fn shop(times_ms: impl IntoIterator<Item = u64>) -> Vec<ShopLine> {
        let checkout = |ms: u64| {
            let (key, edge, region, at) = (format!("k{ms}"), "e:1".to_owned(), "eu".to_owned(), ms * 1_000_000);
            let (lines, order, status) = (Vec::new(), Some(uuid::Uuid::nil()), None);
            Checkout { shopper: 1, key, edge, region, lines, call: at, ret: Some(at), out: Out::Ok, order, status }
        };
        times_ms.into_iter().map(checkout).map(ShopLine::Checkout).collect()
    }

    fn run(shop: &[ShopLine], expected: InTime) -> (Verdict, Recovery) {
        let faults =
            [Fault { name: "kill".to_owned(), target: "a".to_owned(), from_ms: 2_000, to_ms: Some(6_000), ..Fault::default() }];
        let reign = |at_ms, term, leader: Option<&str>| Reign { at_ms, term, leader: leader.map(str::to_owned) };
        let reigns = [reign(0, 3, Some("a")), reign(2_100, 3, None), reign(2_700, 4, Some("b"))];
        recovered(&Seen { shop, samples: &[], faults: &faults, reigns: &reigns }, expected)
    }

    #[test]
    fn the_clock_of_a_fault_runs_from_it_to_the_next_answer() {
        let shop = shop((0..2_000).step_by(100).chain((2_900..8_000).step_by(100)));
        let (verdict, recovery) = run(&shop, InTime { rto_ms: Some(1_000), max_unavailable_ms: Some(1_000) });
        assert_eq!(verdict.outcome, Outcome::Pass, "{verdict:?}");
        let found = &recovery.faults[0];
        assert_eq!((found.detected_ms, found.elected_ms, found.rto_ms), (Some(100), Some(700), Some(900)));
        assert_eq!((recovery.windows[0].from_ms, recovery.windows[0].length_ms()), (1_900, 1_000));
        let (verdict, _) = run(&shop, InTime { rto_ms: Some(899), max_unavailable_ms: Some(999) });
        let told: Vec<&str> = verdict.violations.iter().map(|violation| violation.what.as_str()).collect();
        assert!(told[0].contains("eu: no checkout was answered for 1000 ms (1900..2900 ms)"), "{told:?}");
        assert!(told[1].contains("kill a: checkouts were again after 900 ms"), "{told:?}");
    }

    #[test]
    fn a_region_whose_own_edges_are_broken_is_not_the_one_to_be_measured() {
        let shop = shop((0..2_000).step_by(100).chain((7_000..8_000).step_by(100)));
        let fault =
            |without: &str| Fault { from_ms: 2_000, to_ms: Some(6_000), without: vec![without.to_owned()], ..Fault::default() };
        let longest = |faults: &[Fault]| {
            recovered(&Seen { shop: &shop, samples: &[], faults, reigns: &[] }, InTime::default()).1.windows[0].length_ms()
        };
        assert_eq!((longest(&[fault("eu")]), longest(&[fault("us")])), (100, 5_100));
    }

    #[test]
    fn what_never_stopped_took_no_time_and_what_never_came_back_has_none() {
        let steady = shop((0..8_000).step_by(100));
        assert_eq!(run(&steady, InTime::default()).1.faults[0].rto_ms, Some(0));
        let dead = shop((0..2_000).step_by(100));
        let (verdict, recovery) = run(&dead, InTime { rto_ms: Some(60_000), max_unavailable_ms: None });
        assert_eq!((verdict.outcome, recovery.faults[0].rto_ms), (Outcome::Fail, None));
        assert_eq!(run(&[], InTime::default()).0.outcome, Outcome::Skipped);
    }
}
