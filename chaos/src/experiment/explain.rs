//! What a fault or an experiment is, in words. Pure.

use std::fmt::Write;

use super::{
    model::{AbortWhen, Experiment, Invariant},
    time::show,
};
use crate::fault::Entry;

pub fn explain_fault(entry: &Entry) -> String {
    let mut text = format!("{}: {}\n", entry.name, entry.about);
    let _ = writeln!(text, "proof: {}, {}", entry.proof(), entry.proved_by());
    for one in entry.parameters {
        let _ = writeln!(text, "parameter {}: {} unless given, {} to {}", one.name, one.default, one.least, one.most);
    }
    if !entry.needs.flag().is_empty() {
        let _ = writeln!(text, "needs a topology that was started with {}", entry.needs.flag());
    }
    let length = if entry.lasts() { "\nfor = \"10s\"" } else { "" };
    let _ = writeln!(
        text,
        "\n[[step]]\nat = \"0s\"\nfault = {:?}\ntarget = \"leader\"{length}\nproof = {:?}",
        entry.name,
        entry.proof()
    );
    text
}

pub fn explain_experiment(of: &Experiment) -> String {
    let mut text = format!("{}: {}\n", of.name, of.hypothesis);
    let steady = &of.steady;
    let _ = write!(text, "\nFirst, for {}: shoppers come at {} a second", show(steady.window), of.load.rate);
    if let Some(ppm) = steady.checkout_success_ppm {
        let _ = write!(text, ", {} % of checkouts succeed", ppm as f64 / 1e4);
    }
    if let Some(p99) = steady.p99_ms {
        let _ = write!(text, ", p99 is at most {p99} ms");
    }
    let _ = writeln!(
        text,
        "{}; else nothing is broken and the run is INVALID.",
        if steady.replicas_level { ", replicas are level" } else { "" }
    );
    for step in of.schedule() {
        let length = if step.pick.entry.lasts() { format!(" for {}", show(step.pick.time)) } else { String::new() };
        let (at, name, target) = (show(step.at), step.pick.entry.name, &step.pick.target);
        let _ = writeln!(
            text,
            "At {at}: {name} at {target}{length} ({}), proved by {}.",
            step.pick.entry.about,
            step.pick.entry.proof()
        );
    }
    let _ = writeln!(text, "Then all of that is so again within {}.", show(steady.again_within));
    let conditions = of.abort.any.iter().map(|when| match when {
        AbortWhen::InvariantViolated => "an invariant is violated".to_owned(),
        AbortWhen::Operator => "the operator wants it (Ctrl-C, `chaos abort`)".to_owned(),
        AbortWhen::ErrorRate { above_ppm, time } => {
            format!("over {} % of requests fail for {}", *above_ppm as f64 / 1e4, show(*time))
        }
    });
    let _ = writeln!(text, "\nIt is given up and healed when {}.", conditions.collect::<Vec<_>>().join(", or "));
    let _ = writeln!(text, "Faults heal by themselves {} after the last word of this program.", show(of.abort.lease));
    let expect = &of.expect;
    let within = |ms: Option<u64>, what: &str| ms.map(|ms| format!("{what} {} s", ms as f64 / 1e3));
    let mut expected: Vec<String> = within(expect.rto_ms, "checkouts are answered again within").into_iter().collect();
    expected.extend(within(expect.max_unavailable_ms, "no region that is not itself broken is without one for"));
    expected.push(format!("at most {} acknowledged operations are lost", expect.rpo_ops));
    expected.extend(expect.invariants.iter().map(|invariant| match invariant {
        Invariant::Stale(bound) => format!("stale <= {}", show(*bound)),
        other => other.check().to_owned(),
    }));
    let _ = writeln!(text, "Expected: {}.", expected.join("; "));
    text
}
