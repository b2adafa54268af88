//! `chaos run`, `drill` and `replay`: an experiment on a topology that runs, or on one that is started for it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use chaos::{
    audit::topology_file,
    drill::{DRILLS, Drill, Event, Folder, Pace, Setting, run as carry_out, summary},
    experiment::{Experiment, Wrong, parse, read},
    report::{sentences, verdict, word},
    run::{Grade, Run},
};
use clap::Args;
use comfy_table::Table;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    Output,
    check::{exit_code, table},
    interrupts::Interrupts,
    stage::{At, Launched},
};

#[derive(Args)]
pub(crate) struct RunArgs {
    /// An experiment, TOML
    file: PathBuf,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
pub(crate) struct DrillArgs {
    /// Name of a drill; `chaos list` has them
    drill: String,
    #[command(flatten)]
    how: How,
    /// The region that is hurt, where the drill is about one
    #[arg(long)]
    region: Option<String>,
    /// How long, where the drill has no end of its own: 3m, 1h
    #[arg(long = "for")]
    time: Option<String>,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// run.json of the run to be repeated: the same experiment, seed and schedule
    run: PathBuf,
    #[command(flatten)]
    how: How,
}

#[derive(Args)]
struct How {
    #[command(flatten)]
    at: At,
    /// Draws in place of the experiment's seed
    #[arg(long)]
    seed: Option<u64>,
    /// Shoppers a second in place of the experiment's; the more, the finer are times without a checkout measured
    #[arg(long)]
    rate: Option<f64>,
    /// Somebody at the terminal decides: Enter breaks, Enter heals
    #[arg(long)]
    human_pace: bool,
    /// So many runs, one after the other; the next ones draw by the next seeds
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    repeat: u32,
    /// Below which the folder of the run is made; without it, target/chaos
    #[arg(long)]
    out: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(crate) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let command = format!("chaos run {}", args.file.display());
    each(read(&args.file, &BTreeMap::new()), args.how, &command).await
}

pub(crate) async fn drill(args: DrillArgs) -> anyhow::Result<ExitCode> {
    let Some(drill) = Drill::named(&args.drill) else {
        let names = DRILLS.map(|drill| drill.name).join(", ");
        eprintln!("error: there is no drill {:?}; there are {names}", args.drill);
        return Ok(ExitCode::from(2));
    };
    let given = [("region", args.region), ("time", args.time)];
    let given: BTreeMap<String, String> = given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let mut command = format!("chaos drill {}", args.drill);
    for (name, value) in &given {
        let flag = if name == "time" { "for" } else { name };
        command.push_str(&format!(" --{flag} {value}"));
    }
    if args.how.human_pace {
        eprintln!("the runbook is {}", drill.runbook());
    }
    each(drill.experiment(&given), args.how, &command).await
}

pub(crate) async fn replay(args: ReplayArgs) -> anyhow::Result<ExitCode> {
    let run = Run::read(&args.run)?;
    let name = args.run.display().to_string();
    let text = run.experiment.with_context(|| format!("{name} is no run of an experiment, so there is nothing to repeat"))?;
    let experiment = parse(&name, &text, &BTreeMap::new()).map(|experiment| Experiment { seed: run.seed, ..experiment });
    each(experiment, args.how, &format!("chaos replay {name}")).await
}

async fn each(experiment: Result<Experiment, Wrong>, how: How, command: &str) -> anyhow::Result<ExitCode> {
    let experiment = experiment.and_then(|read| how.rate.map_or(Ok(read.clone()), |rate| read.at_rate(rate)));
    let mut experiment = match experiment {
        Ok(experiment) => experiment,
        Err(wrong) => {
            eprintln!("error: {wrong}");
            return Ok(ExitCode::from(2));
        }
    };
    experiment.seed = how.seed.unwrap_or(experiment.seed);
    let command = &how.rate.map_or(command.to_owned(), |rate| format!("{command} --rate {rate}"));
    let launched = how.at.open(&experiment).await?;
    // target/deploy/NAME/topology.json
    let beside = || topology_file("").ancestors().nth(2).map(|target| target.join("chaos"));
    let below = how.out.clone().or_else(beside).unwrap_or_else(|| PathBuf::from("chaos-runs"));
    let runs = all(experiment, &how, &launched, &below, command).await;
    // What was started is stopped also where a run came to nothing.
    launched.close().await?;
    let runs = runs?;
    if how.repeat > 1 {
        repeats(&runs, &how, &below)?;
    }
    // The worst: a failure before what proves nothing, and that before what was given up.
    let worst =
        |run: &&Run| [Grade::Pass, Grade::Aborted, Grade::Invalid, Grade::Fail].iter().position(|grade| *grade == run.grade());
    Ok(runs.iter().max_by_key(worst).map_or(ExitCode::FAILURE, |run| exit_code(run.grade())))
}

async fn all(
    mut experiment: Experiment,
    how: &How,
    launched: &Launched,
    below: &Path,
    command: &str,
) -> anyhow::Result<Vec<Run>> {
    let (first_seed, mut runs, interrupts) = (experiment.seed, Vec::new(), Interrupts::heard()?);
    for nth in 0..how.repeat {
        experiment.seed = first_seed.wrapping_add(u64::from(nth));
        let run = one(&experiment, how, (launched, below), (command, interrupts.first())).await?;
        // Whatever else was found, it was given up.
        let is_over = run.aborted.is_some() || interrupts.any();
        runs.push(run);
        if is_over {
            break;
        }
    }
    Ok(runs)
}

async fn one(
    experiment: &Experiment,
    how: &How,
    (launched, below): (&Launched, &Path),
    (command, stop): (&str, &CancellationToken),
) -> anyhow::Result<Run> {
    let folder = Folder::make(below, experiment)?;
    let began = std::time::Instant::now();
    let is_json = how.output == Output::Json;
    let tell = |event: &Event| {
        let line = format!("{:7.1} s  {event}", began.elapsed().as_secs_f64());
        if is_json { eprintln!("{line}") } else { println!("{line}") }
    };
    let command = format!("{command} --seed {}", experiment.seed);
    let pace = if how.human_pace { Pace::Human } else { Pace::Schedule };
    let setting = Setting { topology_file: launched.topology_file(), folder: &folder, pace, command: &command, stop };
    let run = carry_out(experiment, setting, &tell).await?;
    if is_json {
        let folder = folder.path().display().to_string();
        println!("{}", json!({"verdict": run.grade(), "folder": folder, "run": run}));
        return Ok(run);
    }
    println!("\n{}\n\n{}: {}", table(&run.checks), word(run.grade()), verdict(&run));
    sentences(&run).iter().for_each(|sentence| println!("{sentence}"));
    println!("{}", folder.report().display());
    Ok(run)
}

fn repeats(runs: &[Run], how: &How, below: &Path) -> anyhow::Result<()> {
    let told = summary(runs);
    let name = runs.first().map(|run| run.name.clone()).unwrap_or_default();
    let path = below.join(format!("{name}-repeats.json"));
    let text = serde_json::to_string_pretty(&json!({"runs": runs.len(), "experiment": name, "numbers": told}))?;
    std::fs::write(&path, &text).with_context(|| format!("{} cannot be written", path.display()))?;
    if how.output == Output::Json {
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(["of all runs", "median", "worst", "without"]);
    let show = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    for of in &told {
        table.add_row([of.what.to_owned(), show(of.median), show(of.worst), of.without.to_string()]);
    }
    println!("\n{} runs\n{table}\n{}", runs.len(), path.display());
    Ok(())
}

/// For `chaos plan` and `explain`, which fail as `run` does.
pub(crate) fn told(wrong: &Wrong) -> ExitCode {
    eprintln!("error: {wrong}");
    ExitCode::from(2)
}

/// Of an experiment's file, or of a drill.
pub(crate) fn experiment(of: &str) -> Result<Experiment, Wrong> {
    match Drill::named(of) {
        Some(drill) => drill.experiment(&BTreeMap::new()),
        None => read(of.as_ref(), &BTreeMap::new()),
    }
}
