//! `catalog import`: merchants' product exports into the database.
//!
//! Owns: reading rows, folding them into products, saying what was refused and what changed. A bad row costs its own content
//! only; everything good around it is taken.

mod columns;
mod draft;
mod fold;
mod reader;
mod report;
mod stable_sku;
mod write;

use std::{
    fs::File,
    io::{BufReader, BufWriter, Write},
    path::Path,
};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    config::{ImportArgs, Output},
    database,
};
use report::Report;
use write::Writer;

/// Exit code when rows were refused.
const SOME_REFUSED: u8 = 2;

pub(crate) async fn run(args: ImportArgs) -> anyhow::Result<u8> {
    let pool = database::pool(&args.database_url)?;
    database::migrate(&pool).await.context("the database cannot be brought up to date; is PostgreSQL up?")?;
    let mut stock_out = match &args.stock_out {
        Some(path) => Some(BufWriter::new(File::create(path).with_context(|| format!("cannot write {}", path.display()))?)),
        None => None,
    };
    let mut report = Report { dry_run: args.dry_run, ..Report::default() };
    let mut writer = Writer::new(pool, args.dry_run);
    for path in &args.files {
        import_file(path, &args, &mut writer, &mut stock_out, &mut report).await?;
    }
    writer.finish(&mut report).await?;
    if let Some(out) = &mut stock_out {
        out.flush()?;
    }
    match args.output {
        Output::Table => println!("{}", report.table()),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(if report.refused.is_empty() { 0 } else { SOME_REFUSED })
}

async fn import_file(
    path: &Path,
    args: &ImportArgs,
    writer: &mut Writer,
    stock_out: &mut Option<BufWriter<File>>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let style = ProgressStyle::with_template("{wide_msg} {bytes}/{total_bytes} {bar:30}")?;
    let progress = ProgressBar::new(file.metadata()?.len()).with_style(style);
    progress.set_message(format!("importing {}", path.display()));
    let input = BufReader::new(progress.wrap_read(file));
    let mut products = reader::products(input, args.currency).with_context(|| path.display().to_string())?;
    report.note_columns(path, products.unknown_columns());
    while let Some(folded) = products.next_product()? {
        report.refuse(path, folded.refused);
        let Some(draft) = folded.draft else { continue };
        if let Some(out) = stock_out {
            for variant in draft.variants.iter().filter(|variant| variant.quantity > 0) {
                serde_json::to_writer(&mut *out, &serde_json::json!({"sku": variant.sku, "quantity": variant.quantity}))?;
                out.write_all(b"\n")?;
            }
        }
        writer.take(draft, report).await?;
    }
    progress.finish_and_clear();
    Ok(())
}
