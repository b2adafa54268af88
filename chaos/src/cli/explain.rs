//! `chaos explain`, `chaos plan` and `chaos schema`

use std::process::ExitCode;

use chaos::{
    experiment::{explain_experiment, explain_fault, schema, show},
    fault::{CATALOG, Entry, Injector, plan as plan_of},
};
use clap::Args;
use comfy_table::{ContentArrangement, Table};
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
    // A word without a folder or an ending is a name, and no file of that name is meant.
    if !what.contains(['/', '.']) && chaos::drill::Drill::named(what).is_none() {
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

/// What each step would do now; nothing is done.
pub(crate) async fn plan(args: &PlanArgs) -> anyhow::Result<ExitCode> {
    let experiment = match experiment(&args.experiment) {
        Ok(experiment) => experiment,
        Err(wrong) => return Ok(told(&wrong)),
    };
    let snapshot = Injector::open(&args.of.at.file()).await?.snapshot().await?;
    let (mut rows, mut is_possible) = (Vec::new(), true);
    for (nth, step) in experiment.schedule().iter().enumerate() {
        let pick = &step.pick;
        let targets = pick.target.resolve(&snapshot, experiment.seed.wrapping_add(nth as u64)).map_err(|error| error.to_string());
        let planned = targets.and_then(|targets| {
            plan_of(pick.fault, &targets, &snapshot).map_err(|error| error.to_string())?;
            Ok(targets)
        });
        is_possible &= planned.is_ok();
        let (targets, problem) = planned.map_or_else(|problem| (Vec::new(), Some(problem)), |targets| (targets, None));
        rows.push((show(step.at), pick.entry.name, pick.target.to_string(), show(pick.time), pick.entry.proof(), targets, problem));
    }
    if args.of.output == Output::Json {
        let row = |(at, fault, target, time, proof, now, problem): &_| -> serde_json::Value {
            json!({"at": at, "fault": fault, "target": target, "for": time, "proof": proof, "now": now, "problem": problem})
        };
        println!("{}", json!({"experiment": experiment.name, "seed": experiment.seed, "steps": rows.iter().map(row).collect::<Vec<_>>()}));
    } else {
        let mut table = Table::new();
        table.set_content_arrangement(ContentArrangement::Dynamic).set_header(["at", "fault", "target", "for", "proof", "now"]);
        for (at, fault, target, time, proof, now, problem) in &rows {
            let now = problem.as_ref().map_or_else(|| now.join(", "), |problem| format!("NOT POSSIBLE: {problem}"));
            table.add_row([at.as_str(), fault, target, time, proof, &now]);
        }
        println!("{table}\nnothing was done; who leads may be another one by then");
    }
    Ok(if is_possible { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn print_schema() -> anyhow::Result<ExitCode> {
    println!("{}", serde_json::to_string_pretty(&schema())?);
    Ok(ExitCode::SUCCESS)
}
