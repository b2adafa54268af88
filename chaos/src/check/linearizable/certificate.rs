//! Violations that two or three answers prove by themselves, found by their versions in one pass. They make the smallest counterexamples; what
//! passes here is not proved yet.

use std::collections::BTreeMap;

use super::{
    model::{Step, What},
    steps::Problem,
};

/// What contradicts, and by which steps.
pub(super) struct Certificate {
    pub(super) what: String,
    pub(super) steps: Vec<usize>,
}

pub(super) fn certificate(problem: &Problem) -> Option<Certificate> {
    let steps = &problem.steps;
    twice(steps).or_else(|| backwards(steps)).or_else(|| two_values(steps)).or_else(|| chain(problem))
}

fn versioned(steps: &[Step]) -> impl Iterator<Item = (usize, &Step, u64)> {
    let seen = steps.iter().enumerate().filter(|(_, step)| step.what.sees_version());
    seen.filter_map(|(at, step)| step.ver.map(|ver| (at, step, ver)))
}

/// Two changes made one version.
fn twice(steps: &[Step]) -> Option<Certificate> {
    let mut made: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, step, ver) in versioned(steps).filter(|(_, step, _)| step.what.changes()) {
        if let Some(other) = made.insert(ver, at).filter(|other| steps[*other] != *step) {
            return Some(Certificate { what: format!("two changes made version {ver}"), steps: vec![other, at] });
        }
    }
    None
}

/// Something that was over before another was asked for, saw a later version than it.
fn backwards(steps: &[Step]) -> Option<Certificate> {
    let mut ended: Vec<(u64, u64, usize)> =
        versioned(steps).filter_map(|(at, step, ver)| step.deadline.map(|deadline| (deadline, ver, at))).collect();
    ended.sort_unstable();
    let (mut latest, mut next): (Option<(u64, usize)>, usize) = (None, 0);
    for (at, step, ver) in versioned(steps) {
        while let Some((_, earlier, of)) = ended.get(next).filter(|(deadline, ..)| *deadline < step.call) {
            latest = latest.max(Some((*earlier, *of)));
            next += 1;
        }
        let Some((seen, of)) = latest else { continue };
        let is_late = if step.what.changes() { ver <= seen } else { ver < seen };
        if is_late {
            let what = match step.what.changes() {
                true => format!("version {seen} was seen, and a change that was asked for afterwards made version {ver}"),
                false => format!("version {seen} was seen, and a read that began afterwards saw version {ver}: it is stale"),
            };
            return Some(Certificate { what, steps: vec![of, at] });
        }
    }
    None
}

fn value_of(step: &Step) -> Option<u64> {
    match step.what {
        What::Read { value } | What::Short { value, .. } => value,
        _ => None,
    }
}

/// Two looks at one version saw different units.
fn two_values(steps: &[Step]) -> Option<Certificate> {
    let mut seen: BTreeMap<u64, (u64, usize)> = BTreeMap::new();
    for (at, step, ver) in versioned(steps) {
        let Some(value) = value_of(step) else { continue };
        let (first, other) = *seen.entry(ver).or_insert((value, at));
        if first != value {
            let what = format!("version {ver} has {first} available for one and {value} for another");
            return Some(Certificate { what, steps: vec![other, at] });
        }
    }
    None
}

/// Follows the units from version to version, as far as every change is known.
fn chain(problem: &Problem) -> Option<Certificate> {
    let steps = &problem.steps;
    let (mut made, mut looks): (BTreeMap<u64, usize>, BTreeMap<u64, Vec<usize>>) = (BTreeMap::new(), BTreeMap::new());
    for (at, step, ver) in versioned(steps) {
        if step.what.changes() {
            made.insert(ver, at);
        } else {
            looks.entry(ver).or_default().push(at);
        }
    }
    let mut known: Option<(u64, Vec<usize>)> = Some((problem.start.available, Vec::new()));
    let last = made.keys().chain(looks.keys()).copied().max().unwrap_or_default();
    let held: BTreeMap<usize, u64> = steps
        .iter()
        .filter_map(|step| match step.what {
            What::Reserve { id, units } => Some((id, units)),
            _ => None,
        })
        .collect();
    let versions = made.keys().chain(looks.keys()).copied().collect::<std::collections::BTreeSet<u64>>();
    let mut before = problem.start.ver;
    for ver in versions.into_iter().filter(|ver| *ver <= last) {
        if ver > before {
            known = known
                .filter(|_| ver == before + 1)
                .and_then(|(units, proof)| Some((units, proof, *made.get(&ver)?)))
                .and_then(|(units, mut proof, change)| {
                    proof.push(change);
                    after(&steps[change].what, units, &held).map(|units| (units, proof))
                });
        }
        before = ver;
        for look in looks.get(&ver).into_iter().flatten() {
            let Some(value) = value_of(&steps[*look]) else { continue };
            if let Some((units, proof)) = known.as_ref().filter(|(units, _)| *units != value) {
                let what = format!("version {ver} has {units} available by what was done, and {value} were told");
                return Some(Certificate { what, steps: proof.iter().chain([look]).copied().collect() });
            }
            known = Some((value, vec![*look]));
        }
    }
    None
}

/// What is available after a change; `None`: it is not known, or the change was impossible, which the search tells better.
fn after(change: &What, units: u64, held: &BTreeMap<usize, u64>) -> Option<u64> {
    match change {
        What::Receive { units: came } => Some(units + came),
        What::Reserve { units: taken, .. } | What::Purchase { units: taken, .. } => units.checked_sub(*taken),
        What::Confirm { .. } => Some(units),
        What::Release { id } | What::Expire { id } => held.get(id).map(|back| units + back),
        _ => None,
    }
}
