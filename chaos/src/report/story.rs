//! The run in a few sentences.

use crate::{
    check::Outcome,
    run::{Grade, Recovered, Run},
};

pub fn word(grade: Grade) -> &'static str {
    match grade {
        Grade::Pass => "PASS",
        Grade::Fail => "FAIL",
        Grade::Invalid => "INVALID",
        Grade::Aborted => "ABORTED",
    }
}

/// What the verdict means.
pub fn verdict(run: &Run) -> String {
    let names = |outcome| {
        let of = run.checks.iter().filter(|check| check.outcome == outcome).map(|check| check.check.replace('_', " "));
        of.collect::<Vec<String>>().join(", ")
    };
    match (run.grade(), &run.invalid) {
        (Grade::Pass, _) => "Every check holds.".to_owned(),
        (Grade::Fail, _) => format!("Violated: {}.", names(Outcome::Fail)),
        (Grade::Aborted, _) => format!("Given up and healed: {}.", run.aborted.as_deref().unwrap_or_default()),
        (Grade::Invalid, Some(why)) => format!("Nothing is proved: {why}."),
        (Grade::Invalid, None) => {
            let open = names(Outcome::Undecided);
            if open.is_empty() {
                "Nothing is proved: there was nothing to check.".to_owned()
            } else {
                format!("Not decided: {open}.")
            }
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.1} s", ms as f64 / 1e3)
}

/// What happened, a sentence for each fault and one for what was lost.
pub fn sentences(run: &Run) -> Vec<String> {
    let mut told = Vec::new();
    let recovered = run.recovery.as_ref().map(|recovery| recovery.faults.as_slice()).unwrap_or_default();
    for (at, fault) in run.faults.iter().enumerate() {
        let what = format!("At {}: {} {}", seconds(fault.from_ms), fault.name, fault.target);
        let until =
            fault.to_ms.map_or(" until the end".to_owned(), |to| format!(" for {}", seconds(to.saturating_sub(fault.from_ms))));
        let after = recovered.get(at).map(phases).unwrap_or_default();
        told.push(format!("{}{until}.{after}", what.trim_end()));
    }
    if run.faults.is_empty() {
        told.push(format!("Nothing was broken for {}.", seconds(run.length_ms)));
    }
    told.push(match run.rpo_ops {
        0 => "Nothing that was acknowledged is lost.".to_owned(),
        lost => format!("{lost} acknowledged operations are lost."),
    });
    told
}

fn phases(of: &Recovered) -> String {
    let mut told = Vec::new();
    told.extend(of.detected_ms.map(|ms| format!("missed after {}", seconds(ms))));
    told.extend(of.elected_ms.map(|ms| format!("a new leader after {}", seconds(ms))));
    told.push(match of.rto_ms {
        None => "checkouts were not answered again".to_owned(),
        Some(0) => "checkouts never stopped".to_owned(),
        Some(ms) => format!("checkouts answered again after {}", seconds(ms)),
    });
    told.extend(of.level_ms.map(|ms| format!("as fast as before after {}", seconds(ms))));
    // Where nothing waited and nobody fell behind there is nothing to tell.
    let took = |ms: Option<u64>| ms.filter(|ms| *ms > 0);
    told.extend(took(of.drained_ms).map(|ms| format!("every order recorded after {}", seconds(ms))));
    told.extend(took(of.replicas_ms).map(|ms| format!("replicas level after {}", seconds(ms))));
    let text = told.join(", ");
    let (first, rest) = text.split_at(1);
    format!(" {}{rest}.", first.to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Fault, Recovery};

    #[test]
    fn a_fault_is_told_with_its_phases() {
        let fault = Fault {
            name: "process.kill".to_owned(),
            target: "inventory-eu".to_owned(),
            from_ms: 4_000,
            to_ms: Some(8_000),
            ..Fault::default()
        };
        let of = Recovered {
            fault: String::new(),
            detected_ms: Some(300),
            elected_ms: Some(900),
            rto_ms: Some(1_100),
            level_ms: None,
            drained_ms: Some(0),
            replicas_ms: Some(4_600),
        };
        let recovery = Some(Recovery { faults: vec![of], windows: Vec::new() });
        let run = Run { faults: vec![fault], recovery, rpo_ops: 2, ..Run::default() };
        let expected = "At 4.0 s: process.kill inventory-eu for 4.0 s. Missed after 0.3 s, a new leader after 0.9 s, checkouts answered again after 1.1 s, replicas level after 4.6 s.";
        assert_eq!(sentences(&run), [expected, "2 acknowledged operations are lost."]);
        assert_eq!(verdict(&run), "Nothing is proved: there was nothing to check.");
    }
}
