//! `chaos report RUN.json` and `chaos diff A B`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context;
use chaos::{
    report::{diff, html, junit},
    run::Run,
};
use clap::{Args, ValueEnum};
use comfy_table::Table;

use super::{Output, VIOLATION};

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// One page with everything in it
    Html,
    /// For CI servers
    Junit,
    /// As it was recorded
    Json,
}

#[derive(Args)]
pub(crate) struct ReportArgs {
    /// RUN.json of a load or an experiment
    run: PathBuf,
    /// Where it goes
    #[arg(short, long)]
    out: PathBuf,
    /// Without it, by the ending of the file: .html, .xml, .json
    #[arg(long, value_enum)]
    form: Option<Form>,
}

#[derive(Args)]
pub(crate) struct DiffArgs {
    before: PathBuf,
    after: PathBuf,
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<ExitCode> {
    let run = Run::read(&args.run)?;
    let form = args.form.unwrap_or_else(|| match args.out.extension().and_then(|ending| ending.to_str()) {
        Some("xml") => Form::Junit,
        Some("json") => Form::Json,
        _ => Form::Html,
    });
    let text = match form {
        Form::Html => html(&run)?,
        Form::Junit => junit(&run),
        Form::Json => serde_json::to_string_pretty(&run)?,
    };
    std::fs::write(&args.out, text).with_context(|| format!("{} cannot be written", args.out.display()))?;
    println!("{}", args.out.display());
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn compare(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let changes = diff(&Run::read(&args.before)?, &Run::read(&args.after)?);
    match args.output {
        Output::Json => println!("{}", serde_json::to_string(&changes)?),
        Output::Table if changes.is_empty() => println!("nothing is different"),
        Output::Table => {
            let mut table = Table::new();
            table.set_header(["", "before", "after", ""]);
            for change in &changes {
                let worse = if change.is_worse { "WORSE" } else { "" };
                table.add_row([change.what.as_str(), &change.before, &change.after, worse]);
            }
            println!("{table}");
        }
    }
    Ok(if changes.iter().any(|change| change.is_worse) { ExitCode::from(VIOLATION) } else { ExitCode::SUCCESS })
}
