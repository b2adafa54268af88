//! `chaos check HISTORY`: judge what was recorded.

use std::{path::PathBuf, process::ExitCode, time::Duration, time::Instant};

use chaos::{
    check::{InTime, Outcome, Verdict},
    history::{read_operations, read_shop},
    prove::{Evidence, Expected, prove},
    run::{Grade, Run},
};
use clap::Args;
use comfy_table::{ContentArrangement, Table};

use super::{ABORTED, Output, UNDECIDED, VIOLATION};

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// JSON lines, one operation on the inventory each
    history: PathBuf,
    /// What shoppers did and saw through edges
    #[arg(long)]
    shop: Option<PathBuf>,
    /// The run's RUN.json: when its faults were, who led
    #[arg(long)]
    run: Option<PathBuf>,
    /// How old an edge's word on stock may be, in milliseconds
    #[arg(long, default_value_t = Expected::default().stale_ms)]
    stale_ms: u64,
    /// How long checkouts may stop after a fault, in milliseconds
    #[arg(long)]
    rto_ms: Option<u64>,
    /// How long a region may be without an answered checkout, in milliseconds
    #[arg(long)]
    max_unavailable_ms: Option<u64>,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let history = read_operations(&args.history)?;
    let shop = args.shop.as_deref().map(read_shop).transpose()?.unwrap_or_default();
    let mut run = args.run.as_deref().map(Run::read).transpose()?.unwrap_or_default();
    let in_time = InTime { rto_ms: args.rto_ms, max_unavailable_ms: args.max_unavailable_ms };
    let expected = Expected { in_time, stale_ms: args.stale_ms };
    let proof = prove(&Evidence { history: &history, shop: &shop, books: None }, &run, &expected);
    run.proved(proof);
    match args.output {
        Output::Json => print_json(&run, history.len() + shop.len(), began.elapsed()),
        Output::Table => print_table(&run, history.len() + shop.len(), began.elapsed()),
    }
    Ok(exit_code(run.grade()))
}

pub(crate) fn exit_code(grade: Grade) -> ExitCode {
    match grade {
        Grade::Pass => ExitCode::SUCCESS,
        Grade::Fail => ExitCode::from(VIOLATION),
        Grade::Invalid => ExitCode::from(UNDECIDED),
        Grade::Aborted => ExitCode::from(ABORTED),
    }
}

fn print_json(run: &Run, lines: usize, took: Duration) {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let (verdict, rpo_ops, recovery) = (run.grade(), run.rpo_ops, &run.recovery);
    let report = serde_json::json!({
        "verdict": verdict, "checks": run.checks, "rpo_ops": rpo_ops, "recovery": recovery, "lines": lines, "took_ms": took_ms,
    });
    println!("{report}");
}

fn print_table(run: &Run, lines: usize, took: Duration) {
    println!("{lines} lines in {:.1} s", took.as_secs_f64());
    println!("{}", table(&run.checks));
    for check in &run.checks {
        for violation in &check.violations {
            println!("{}: {}", check.check, violation.what);
            violation.operations.iter().for_each(|operation| println!("    {operation}"));
        }
        if check.more > 0 {
            println!("{}: and {} more", check.check, check.more);
        }
    }
}

pub(crate) fn table(checks: &[Verdict]) -> Table {
    let mut table = Table::new();
    table.set_content_arrangement(ContentArrangement::Dynamic).set_header(["check", "verdict", "why"]);
    for check in checks {
        let word = match check.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Undecided => "undecided",
            Outcome::Skipped => "skipped",
        };
        table.add_row([check.check.as_str(), word, check.summary.as_str()]);
    }
    table
}
