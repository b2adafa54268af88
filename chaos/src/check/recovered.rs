//! Recovery in time: how long no checkout was answered, and how long after each fault they were again.

use std::collections::{BTreeMap, HashSet};

use super::{
    again,
    verdict::{Outcome, Verdict, Violation},
};
use crate::{
    history::{Checkout, Out, ShopLine},
    run::{Fault, Recovered, Recovery, Reign, Replicas, Sample, Window},
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
    pub replicas: &'a [Replicas],
    /// From when on it was steady; what came before was warming up, and is no measure of anything. `None`: nobody looked.
    pub steady_ms: Option<u64>,
    /// The run ended before its schedule did: what had not recovered by then might have.
    pub given_up: bool,
}

pub fn recovered(seen: &Seen<'_>, expected: InTime) -> (Verdict, Recovery) {
    let (mut of_edges, of_homes) = (times(seen, |checkout| &checkout.region), times(seen, |checkout| &checkout.home));
    // Also an edge that answered none of its shoppers, who went elsewhere.
    for home in of_homes.keys().filter(|home| !home.is_empty()) {
        of_edges.entry(home.clone()).or_default();
    }
    let asked_ms = asked_until(seen.shop);
    let longest = |(region, times): (&String, &Times)| longest(region, &times.answered, asked_ms, seen);
    let windows: Vec<Window> = of_edges.iter().filter_map(longest).collect();
    let all = times(seen, |_| "").remove("").unwrap_or_default();
    let waits = again::waits(seen.shop);
    let after = |fault: &Fault| {
        // Shoppers of a region that is lost are served when another one serves them.
        let lost = fault.without.iter().filter_map(|region| of_homes.get(region));
        let next_ms = next(fault, seen.faults);
        let rtos = lost.chain([&all]).map(|times| rto((fault, next_ms), times, asked_ms));
        let rto_ms = rtos.max_by_key(|rto| rto.unwrap_or(u64::MAX)).flatten();
        Recovered { drained_ms: again::drained(fault, &waits), rto_ms, ..after(fault, seen) }
    };
    let faults = seen.faults.iter().map(after).collect();
    let recovery = Recovery { faults, windows };
    (verdict(&recovery, asked_ms, seen, expected), recovery)
}

fn verdict(recovery: &Recovery, asked_ms: u64, seen: &Seen<'_>, expected: InTime) -> Verdict {
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
    let mut unknown = 0;
    for (Recovered { fault, rto_ms, .. }, began) in recovery.faults.iter().zip(seen.faults) {
        let Some(most) = expected.rto_ms else { break };
        match rto_ms {
            Some(rto) if *rto > most => {
                violations.push(wrong(format!("{fault}: checkouts were again after {rto} ms; {most} ms are allowed")));
            }
            Some(_) => {}
            None if seen.given_up && asked_ms.saturating_sub(began.from_ms) <= most => unknown += 1,
            None => violations.push(wrong(format!("{fault}: checkouts never were again; {most} ms are allowed"))),
        }
    }
    let worst = recovery.windows.iter().map(Window::length_ms).max().unwrap_or_default();
    let summary = match recovery.faults.iter().map(|fault| fault.rto_ms).max_by_key(|rto| rto.unwrap_or(u64::MAX)) {
        Some(Some(rto)) => format!("recovered within {rto} ms; longest time without a checkout {worst} ms"),
        Some(None) => "checkouts were not answered again before the end".to_owned(),
        None => format!("longest time without a checkout {worst} ms"),
    };
    match unknown {
        0 => Verdict::new(RECOVERED, Outcome::Pass, summary, violations),
        // It fails all the same where something else took too long.
        _ => {
            Verdict::new(RECOVERED, Outcome::Undecided, format!("it was given up {unknown} times before it was late"), violations)
        }
    }
}

/// Milliseconds, in order.
#[derive(Debug, Default)]
struct Times {
    /// Sold out is an answer.
    answered: Vec<u64>,
    /// When a shopper first asked; who asks again is the same.
    asked: Vec<u64>,
}

fn times<'a>(seen: &Seen<'a>, group: impl Fn(&'a Checkout) -> &'a str) -> BTreeMap<String, Times> {
    let since = seen.steady_ms.unwrap_or_default();
    let (mut times, mut keys): (BTreeMap<String, Times>, HashSet<&str>) = (BTreeMap::new(), HashSet::new());
    for line in seen.shop {
        let ShopLine::Checkout(checkout) = line else { continue };
        let of = times.entry(group(checkout).to_owned()).or_default();
        let ret = checkout.ret.filter(|_| matches!(checkout.out, Out::Ok | Out::Insufficient)).map(|ns| ns / 1_000_000);
        of.answered.extend(ret.filter(|ms| *ms >= since));
        of.asked.extend(keys.insert(&checkout.key).then_some(checkout.call / 1_000_000));
    }
    for of in times.values_mut() {
        of.answered.sort_unstable();
        of.asked.sort_unstable();
    }
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

/// Without the times in which the region's own edges were broken: its shoppers are other edges' then. What of a window lies before such a time,
/// and what lies after it, counts.
fn longest(region: &str, times: &[u64], asked_ms: u64, seen: &Seen<'_>) -> Option<Window> {
    // Nobody knows when clients were all there: until the first answer they were coming. With no answer at all, all of the run is the window.
    let began = seen.steady_ms.or(times.first().copied()).unwrap_or_default();
    let ends = times.iter().copied().chain([asked_ms.max(times.last().copied().unwrap_or(began))]);
    let begins = std::iter::once(began).chain(times.iter().copied());
    let own = seen.faults.iter().filter(|fault| fault.without.iter().any(|without| without == region));
    let mut own: Vec<(u64, u64)> =
        own.map(|fault| (fault.from_ms, fault.to_ms.map_or(u64::MAX, |to| to.saturating_add(SERVES_AGAIN_MS)))).collect();
    own.sort_unstable();
    let parts = begins.zip(ends).flat_map(|window| outside(window, &own));
    parts.map(|(from_ms, to_ms)| Window { region: region.to_owned(), from_ms, to_ms }).max_by_key(Window::length_ms)
}

/// The parts of a time that lie in none of `those`, which are in order of their beginning.
fn outside((mut from, to): (u64, u64), those: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut parts = Vec::new();
    for (begins, ends) in those.iter().filter(|(begins, _)| *begins <= to) {
        parts.extend((*begins > from).then_some((from, *begins)));
        from = from.max(*ends);
    }
    parts.extend((from <= to).then_some((from, to)));
    parts
}

/// When the next fault begins: what comes after that is that one's.
fn next(fault: &Fault, faults: &[Fault]) -> u64 {
    faults.iter().map(|other| other.from_ms).filter(|from_ms| *from_ms > fault.from_ms).min().unwrap_or(u64::MAX)
}

fn after(fault: &Fault, seen: &Seen<'_>) -> Recovered {
    let since = |at_ms: u64| at_ms - fault.from_ms;
    let later = |reign: &&Reign| reign.at_ms >= fault.from_ms;
    let next_ms = next(fault, seen.faults);
    let own = |reign: &&Reign| later(reign) && reign.at_ms < next_ms;
    let term = seen.reigns.iter().rev().find(|reign| !later(reign)).map_or(0, |reign| reign.term);
    let detected = seen.reigns.iter().filter(own).find(|reign| reign.leader.is_none() || reign.term > term);
    let elected = seen.reigns.iter().filter(own).find(|reign| reign.leader.is_some() && reign.term > term);
    Recovered {
        fault: format!("{} {}", fault.name, fault.target).trim().to_owned(),
        detected_ms: detected.map(|reign| since(reign.at_ms)),
        elected_ms: elected.map(|reign| since(reign.at_ms)),
        rto_ms: None,
        level_ms: level(fault, seen).map(|second| (second * 1_000).saturating_sub(fault.from_ms)),
        drained_ms: None,
        replicas_ms: again::level(fault, seen.replicas),
    }
}

/// A pause that begins so long after the fault is not what the fault did at once, and one of no more than that is no loss of service.
const PAUSE_MS: u64 = 1_000;

/// The end of the longest time without an answer that touches the fault, if that is longer than any before it, and from when on shoppers in
/// number are answered.
fn rto((fault, next_ms): (&Fault, u64), times: &Times, asked_ms: u64) -> Option<u64> {
    let answered = &times.answered;
    let gaps = || answered.windows(2).map(|pair| (pair[0], pair[1]));
    let usual = gaps().filter(|(_, to)| *to < fault.from_ms).map(|(from, to)| to - from).max().unwrap_or_default();
    let until = fault.to_ms.unwrap_or(u64::MAX);
    let touching = gaps().filter(|(from, to)| *to >= fault.from_ms && *from <= until);
    // How long each was this fault's.
    let own = touching.map(|(from, to)| (to.min(next_ms).saturating_sub(from), from, to));
    let counted = own.filter(|(length, from, _)| *from <= fault.from_ms + PAUSE_MS || *length > PAUSE_MS);
    let longest = counted.max_by_key(|(length, ..)| *length).filter(|(length, ..)| *length > usual);
    let last = answered.last().copied().unwrap_or_default();
    if last < fault.from_ms || asked_ms.saturating_sub(last) > usual.max(LAST_ANSWER_MS) {
        return None;
    }
    let over = longest.map_or(fault.from_ms, |(.., to)| to);
    let again = std::iter::once(over).chain(answered.iter().copied().filter(|at| *at > over));
    let mut again = again.filter(|at| at + MANY_WITHIN_MS > asked_ms || are_many_answered(times, *at));
    again.next().map(|at| at - fault.from_ms)
}

/// A trickle is no service: of those who ask in so long, one in so many has to be answered.
const MANY_WITHIN_MS: u64 = 2_000;
const MANY_ARE_ONE_IN: usize = 5;

fn are_many_answered(times: &Times, from_ms: u64) -> bool {
    let within = |times: &[u64]| {
        let before = |ms: u64| times.partition_point(|at| *at < ms);
        before(from_ms + MANY_WITHIN_MS) - before(from_ms)
    };
    within(&times.answered) * MANY_ARE_ONE_IN >= within(&times.asked)
}

/// How long after the last answer somebody may still have asked: an election, and who asks then has left.
const LAST_ANSWER_MS: u64 = 5_000;

/// The first whole second after the fault whose p99 is within 1.2 times the median of those before.
fn level(fault: &Fault, seen: &Seen<'_>) -> Option<u64> {
    let mut worst: BTreeMap<u64, u64> = BTreeMap::new();
    for sample in seen.samples.iter().filter(|sample| sample.kind == "checkout" && sample.ok > 0) {
        let of = worst.entry(sample.second).or_default();
        *of = sample.p99_us.max(*of);
    }
    let is_before = |second: u64| second * 1_000 >= seen.steady_ms.unwrap_or_default() && (second + 1) * 1_000 <= fault.from_ms;
    let mut before: Vec<u64> = worst.iter().filter(|(second, _)| is_before(**second)).map(|(_, us)| *us).collect();
    before.sort_unstable();
    let usual = before.get(before.len() / 2)?;
    let later = worst.iter().filter(|(second, _)| **second * 1_000 > fault.from_ms);
    later.filter(|(_, us)| **us * 10 <= usual * 12).map(|(second, _)| *second).next()
}

#[cfg(test)]
#[path = "recovered_tests.rs"]
mod tests;
