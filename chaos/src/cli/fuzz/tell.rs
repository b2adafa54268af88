//! What came of it: in the end a summary, and the same as JSON beside the runs.

use std::fs;

use anyhow::Context;
use chaos::{
    experiment::show,
    fuzz::{Candidate, End},
    report::word,
    run::Grade,
};
use comfy_table::Table;
use serde_json::{Value, json};

use super::{hunt::Hunt, shrink::Smallest};
use crate::cli::Output;

pub(super) fn end(hunt: &Hunt<'_>, base: &str, grade: Grade, smallest: Option<&Smallest>) -> anyhow::Result<()> {
    hunt.bar.finish_and_clear();
    let report = json!({
        "verdict": grade,
        "base": base,
        "seeds": hunt.tally.seeds(),
        "faults": hunt.tally.kinds(),
        "runs": hunt.tally.rows,
        "found": smallest.map(found),
        "folder": hunt.folder,
    });
    let path = hunt.folder.join("fuzz.json");
    fs::write(&path, serde_json::to_string_pretty(&report)?).with_context(|| format!("{} cannot be written", path.display()))?;
    match hunt.args.output {
        Output::Json => println!("{report}"),
        Output::Table => table(hunt, grade, smallest),
    }
    Ok(())
}

fn found(of: &Smallest) -> Value {
    let Smallest { seed, found, run, of_steps, shrunk, file, command } = of;
    json!({
        "seed": seed,
        "check": found.check,
        "what": found.what,
        "run": run,
        "file": file,
        "command": command,
        "of_steps": of_steps,
        "steps": steps(&shrunk.best),
        "runs": shrunk.progress.runs,
        "improvements": shrunk.progress.improvements,
        "end": shrunk.end,
    })
}

fn steps(of: &Candidate) -> Vec<String> {
    let line = |step: &chaos::experiment::Step| {
        let pick = &step.pick;
        let set: Vec<String> = pick.parameters.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        let time = if pick.entry.lasts() { format!(" for {}", show(pick.time)) } else { String::new() };
        format!("at {}: {} at {}{time}{}", show(step.at), pick.entry.name, pick.target, set.concat())
    };
    of.steps.iter().map(line).collect()
}

fn table(hunt: &Hunt<'_>, grade: Grade, smallest: Option<&Smallest>) {
    let tally = &hunt.tally;
    let mut table = Table::new();
    table.set_header(["fault", "drawn", "took effect", "in runs that failed"]);
    for (name, kind) in tally.kinds() {
        table.add_row([name.to_owned(), kind.drawn.to_string(), kind.took_effect.to_string(), kind.failed.to_string()]);
    }
    println!("\n{table}");
    let counts = [Grade::Pass, Grade::Fail, Grade::Invalid, Grade::Aborted].map(|of| format!("{} {}", tally.count(of), word(of)));
    let seeds = tally.seeds().map_or(String::new(), |(first, last)| format!(", seeds {first} to {last}"));
    println!("{} runs{seeds}: {}", tally.rows.len(), counts.join(", "));
    if let Some(smallest) = smallest {
        failure(smallest);
    }
    println!("{}: {}\n{}", word(grade), meaning(grade), hunt.folder.display());
}

fn failure(of: &Smallest) {
    let Smallest { seed, found, run, of_steps, shrunk, file, command } = of;
    println!("\nseed {seed} failed {}: {}\n{}", found.check, found.what, run.join("report.html").display());
    let (left, runs) = (shrunk.best.steps.len(), shrunk.progress.runs);
    println!("{left} of its {of_steps} steps are left after {runs} runs; {}:", why(shrunk.end));
    steps(&shrunk.best).iter().for_each(|step| println!("    {step}"));
    let load = &shrunk.best.load;
    println!("    with {} shoppers and {} clients of the inventory a second", load.rate, load.deals);
    println!("{}\n{command}\n", file.display());
}

fn why(end: End) -> &'static str {
    match end {
        End::Smallest => "nothing smaller failed",
        End::OutOfTime => "the time for it was over (--shrink-minutes)",
        End::OutOfRuns => "more runs were not allowed (--shrink-runs)",
        End::NotReady => "then the topology was not steady any more, so no smaller one could be tried",
        End::Stopped => "then it was given up",
    }
}

fn meaning(grade: Grade) -> &'static str {
    match grade {
        Grade::Pass => "nothing failed; runs that are INVALID prove nothing",
        Grade::Fail => "a schedule failed",
        Grade::Invalid => "no run proved anything",
        Grade::Aborted => "given up and healed",
    }
}
