//! `chaos load`: shoppers on a running topology, and what came of them.

use std::{path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use chaos::{
    audit,
    check::InTime,
    prove::{Evidence, Expected, prove},
    run::{Run, Sample, describe},
    workload::{Meter, Plan, drive},
};
use clap::Args;
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::Instant;

use super::{
    Output, Where,
    check::{exit_code, table},
};

/// Longest run: what a history of `MAX_LINES` lines holds at some thousand operations a second.
const LONGEST: Duration = Duration::from_secs(3_600);

#[derive(Args)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    at: Where,
    /// Shoppers a second, over all edges
    #[arg(long, default_value_t = 50.0)]
    rate: f64,
    /// Clients of the inventory itself a second
    #[arg(long, default_value_t = 100.0)]
    deals: f64,
    /// How long: 90s, 5m, 1h
    #[arg(long = "for", default_value = "30s", value_parser = duration)]
    time: Duration,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the history goes; what shoppers saw and the run itself lie beside it, as FILE.shop.jsonl and FILE.run.json
    #[arg(long, default_value = "chaos-history.jsonl")]
    history: PathBuf,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text} is not a time; write 90s, 5m or 1h, at most {} minutes", LONGEST.as_secs() / 60);
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit = match &text[digits..] {
        "s" | "" => 1,
        "m" => 60,
        "h" => 3_600,
        _ => return Err(wrong()),
    };
    let time = number.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)?;
    if time.is_zero() || time > LONGEST { Err(wrong()) } else { Ok(time) }
}

pub(crate) async fn run(args: LoadArgs) -> anyhow::Result<ExitCode> {
    for (name, rate) in [("--rate", args.rate), ("--deals", args.deals)] {
        ensure!(rate.is_finite() && (0.1..=10_000.0).contains(&rate), "{name} is {rate}; it may be 0.1 to 10000");
    }
    let topology = args.at.topology()?;
    let beside = |ending: &str| {
        let mut name = args.history.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let (shop, file) = (beside(".shop.jsonl"), beside(".run.json"));
    let (rate, deals, time, seed, history) = (args.rate, args.deals, args.time, args.seed, args.history.clone());
    let plan = Plan { rate, deals, time, seed, history, shop };
    let progress = ProgressBar::new(0).with_message("taking orders");
    progress.set_style(ProgressStyle::with_template("{spinner} {msg:30} {pos}/{len} s {bar:30}")?);
    let began_at = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let meter = Arc::new(Meter::new(Instant::now()));
    let driven = drive(&topology, &plan, &meter, &progress).await?;
    progress.set_message("comparing both stores");
    let client = audit::inventory(&topology)?;
    let books = audit::read_with(client, &topology, audit::DEFAULT_GRACE, &ProgressBar::hidden()).await?;
    progress.finish_and_clear();
    let command = format!("chaos load --rate {rate} --deals {deals} --for {}s --seed {seed}", time.as_secs());
    let mut run = Run {
        name: "load".to_owned(),
        seed,
        topology: describe(&topology),
        versions: chaos::run::versions(),
        command,
        began_at,
        length_ms: driven.length_ms,
        samples: driven.samples,
        reigns: driven.reigns,
        replicas: driven.replicas,
        load: driven.load,
        objective_ppm: 999_000,
        invalid: driven.unread,
        ..Run::default()
    };
    let expected = Expected { in_time: InTime::default(), ..Expected::default() };
    let evidence = Evidence { history: &driven.history, shop: &driven.shop, books: Some(&books) };
    let proof = prove(&evidence, &run, &expected);
    run.proved(proof);
    std::fs::write(&file, serde_json::to_vec(&run)?).with_context(|| format!("{} cannot be written", file.display()))?;
    match args.output {
        Output::Json => println!("{}", serde_json::to_string(&run)?),
        Output::Table => print(&run, &file),
    }
    Ok(exit_code(run.grade()))
}

fn print(run: &Run, file: &std::path::Path) {
    let mut seen = Table::new();
    seen.set_header(["region", "requests", "ok", "failed", "worst p99 of a second, ms", "longest, ms"]);
    let mut of: std::collections::BTreeMap<(&str, &str), Vec<&Sample>> = std::collections::BTreeMap::new();
    run.samples.iter().for_each(|sample| of.entry((&sample.region, &sample.kind)).or_default().push(sample));
    for ((region, kind), samples) in of {
        let sum = |what: fn(&Sample) -> u64| samples.iter().map(|sample| what(sample)).sum::<u64>().to_string();
        let most =
            |what: fn(&Sample) -> u64| (samples.iter().map(|sample| what(sample)).max().unwrap_or_default() / 1_000).to_string();
        let (ok, failed) = (sum(|sample| sample.ok), sum(Sample::failed));
        seen.add_row([
            region.to_owned(),
            kind.to_owned(),
            ok,
            failed,
            most(|sample| sample.p99_us),
            most(|sample| sample.max_us),
        ]);
    }
    println!("{seen}\n{}", table(&run.checks));
    let lag_ms = run.load.lag_us / 1_000;
    println!(
        "{} arrivals, {} shed, the generator was late by at most {lag_ms} ms; {}",
        run.load.offered,
        run.load.shed,
        file.display()
    );
}
