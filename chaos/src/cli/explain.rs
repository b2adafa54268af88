//! `chaos explain`, `chaos plan` and `chaos schema`

use std::process::ExitCode;

use chaos::{
    experiment::{Step, explain_experiment, explain_fault, schema, show},
    fault::{CATALOG, Entry, Injector, Snapshot, plan as plan_of},
};
use clap::Args;
use comfy_table::{ContentArrangement, Table};
use serde::Serialize;
use serde_json::json;

use super::{
    Of, Output,
    drill::{experiment, told},
};

#[derive(Args)]
pub(crate) struct ExplainArgs {
    /// A fault, a drill, or the file of an experiment; without it, every fault
    what: Option<String>,
}

#[derive(Args)]
pub(crate) struct PlanArgs {
    /// The file of an experiment, or the name of a drill
    experiment: String,
    #[command(flatten)]
    of: Of,
}

pub(crate) fn run(args: &ExplainArgs) -> ExitCode {
    let Some(what) = &args.what else {
        CATALOG.iter().for_each(|entry| println!("{}", explain_fault(entry)));
        return ExitCode::SUCCESS;
    };
    if let Ok(entry) = Entry::named(what) {
        print!("{}", explain_fault(entry));
        return ExitCode::SUCCESS;
    }
    // Where there is no such file, a name was meant.
    if !std::path::Path::new(what).exists() && !what.ends_with(".toml") && chaos::drill::Drill::named(what).is_none() {
        let faults = CATALOG.map(|entry| entry.name).join(", ");
        let drills = chaos::drill::DRILLS.map(|drill| drill.name).join(", ");
        eprintln!("error: {what:?} is no fault ({faults}), no drill ({drills}) and no file");
        return ExitCode::from(2);
    }
    match experiment(what) {
        Ok(experiment) => {
            print!("{}", explain_experiment(&experiment));
            ExitCode::SUCCESS
        }
        Err(wrong) => told(&wrong),
    }
}

/// A step as it would be now.
#[derive(Serialize)]
struct Row {
    at: String,
    fault: &'static str,
    target: String,
    #[serde(rename = "for")]
    time: String,
    proof: &'static str,
    /// The processes that are meant now.
    now: Vec<String>,
    /// Why it cannot be.
    problem: Option<String>,
}

fn row(step: &Step, seed: u64, snapshot: &Snapshot) -> Row {
    let pick = &step.pick;
    let targets = pick.target.resolve(snapshot, seed).map_err(|error| error.to_string());
    let planned = targets.and_then(|now| plan_of(pick.fault, &now, snapshot).map(|_| now).map_err(|error| error.to_string()));
    let (now, problem) = planned.map_or_else(|problem| (Vec::new(), Some(problem)), |now| (now, None));
    let (at, time, target) = (show(step.at), show(pick.time), pick.target.to_string());
    Row { at, fault: pick.entry.name, target, time, proof: pick.entry.proof(), now, problem }
}

/// What each step would do now; nothing is done.
pub(crate) async fn plan(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let experiment = match experiment(&args.experiment) {
        Ok(experiment) => experiment,
        Err(wrong) => return Ok(told(&wrong)),
    };
    let snapshot = Injector::open(&args.of.at.file()).await?.snapshot().await?;
    let steps = experiment.schedule();
    let rows = steps.iter().enumerate().map(|(nth, step)| row(step, step.draws_by(&experiment, nth), &snapshot));
    let rows: Vec<Row> = rows.collect();
    if args.of.output == Output::Json {
        println!("{}", json!({"experiment": experiment.name, "seed": experiment.seed, "steps": rows}));
    } else {
        let mut table = Table::new();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_header(["at", "fault", "target", "for", "proof", "now"]);
        for row in &rows {
            let now = row.problem.as_ref().map_or_else(|| row.now.join(", "), |problem| format!("NOT POSSIBLE: {problem}"));
            table.add_row([row.at.as_str(), row.fault, &row.target, &row.time, row.proof, &now]);
        }
        println!("{table}\nnothing was done; who leads may be another one by then");
    }
    Ok(if rows.iter().all(|row| row.problem.is_none()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn print_schema() -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&schema())?);
    Ok(ExitCode::SUCCESS)
}
