//! Stock from an inventory sheet.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::Context;
use indicatif::ProgressBar;
use inventory_api::{BatchRequest, CommandRequest, Consistency, CountRequest, Outcome, OutcomeCode};
use serde::Serialize;
use storefront_types::{CommandId, LocationId};
use uuid::Uuid;

use crate::{
    cli::{FAILED, Output},
    count_sheet::{self, Row, RowError, Sheet},
    output::{name, print},
    remote::{Cluster, context},
};

/// Largest sheet read: some 500,000 rows.
const MAX_SHEET_BYTES: u64 = 64 * 1024 * 1024;

/// Counts of one request.
const BATCH: usize = 200;

pub(crate) struct Import {
    pub(crate) file: PathBuf,
    pub(crate) dry_run: bool,
    pub(crate) overwrite: bool,
    /// `NAME=ID`
    pub(crate) locations: Vec<String>,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    set: u64,
    unchanged: u64,
    passed_over: u64,
    errors: Vec<RowError>,
}

pub(crate) async fn run(cluster: &Cluster, output: Output, wanted: &Import) -> anyhow::Result<u8> {
    let mut locations: BTreeMap<String, LocationId> = BTreeMap::new();
    for mapping in &wanted.locations {
        let (from, to) = mapping.rsplit_once('=').with_context(|| format!("{mapping:?} is not NAME=ID"))?;
        locations.insert(from.trim().to_owned(), to.parse()?);
    }
    let shown = wanted.file.display();
    let size = fs::metadata(&wanted.file).with_context(|| format!("{shown} cannot be read"))?.len();
    anyhow::ensure!(size <= MAX_SHEET_BYTES, "{shown} has {size} bytes, at most {MAX_SHEET_BYTES} are taken; split it");
    let text = fs::read(&wanted.file)?;
    let mut sheet = count_sheet::read(&text, &locations).with_context(|| format!("{shown} is no inventory sheet"))?;
    if wanted.overwrite {
        sheet.rows.iter_mut().for_each(|row| row.current = None);
    }
    let progress = ProgressBar::new(sheet.rows.len() as u64);
    let report = match wanted.dry_run {
        true => look(cluster, sheet, &progress).await?,
        false => set(cluster, sheet, &text, &progress).await?,
    };
    progress.finish_and_clear();
    let row = |error: &RowError| [error.line.to_string(), error.column.clone(), error.reason.clone()];
    print(output, &report, ["line", "column", "what is wrong"], report.errors.iter().map(row))?;
    let verb = if wanted.dry_run { "would be set" } else { "set" };
    eprintln!(
        "{} {verb}, {} unchanged, {} passed over, {} wrong",
        report.set,
        report.unchanged,
        report.passed_over,
        report.errors.len()
    );
    Ok(if report.errors.is_empty() { 0 } else { FAILED })
}

fn stale(row: &Row, expected: u64, found: u64) -> RowError {
    let reason = format!("{expected} was on hand when the sheet was made, {found} is now; count again, or use --overwrite");
    RowError { line: row.line, column: "On hand (current)".to_owned(), reason }
}

/// Says what would be set.
async fn look(cluster: &Cluster, sheet: Sheet, progress: &ProgressBar) -> anyhow::Result<Report> {
    let mut report = Report { passed_over: sheet.passed_over, errors: sheet.errors, ..Report::default() };
    let client = cluster.client();
    for row in &sheet.rows {
        let stock = client.stock(&context(), &row.sku, Consistency::Linearizable).await?;
        let at = stock.iter().flat_map(|stock| &stock.locations).find(|at| at.location == row.location);
        let found = at.map_or(0, |at| at.on_hand);
        match row.current.filter(|current| *current != found) {
            Some(expected) => report.errors.push(stale(row, expected, found)),
            None if found == row.new => report.unchanged += 1,
            None => report.set += 1,
        }
        progress.inc(1);
    }
    Ok(report)
}

/// The same row of the same sheet has the same id, so that an import that was cut off can be repeated.
fn id_of(sheet: &blake3::Hash, row: &Row) -> CommandId {
    let mut hasher = blake3::Hasher::new();
    hasher.update(sheet.as_bytes()).update(&row.line.to_be_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    CommandId::new(Uuid::new_v8(bytes))
}

async fn set(cluster: &Cluster, sheet: Sheet, text: &[u8], progress: &ProgressBar) -> anyhow::Result<Report> {
    let mut report = Report { passed_over: sheet.passed_over, errors: sheet.errors, ..Report::default() };
    let (client, hash) = (cluster.client(), blake3::hash(text));
    for rows in sheet.rows.chunks(BATCH) {
        let count = |row: &Row| {
            let (id, sku, location) = (id_of(&hash, row), row.sku.clone(), row.location.clone());
            CommandRequest::Count(CountRequest { id, sku, location, on_hand: row.new, expected: row.current })
        };
        let commands = rows.iter().map(count).collect();
        let outcomes = client.batch(&context(), &BatchRequest { commands }).await?;
        for (row, outcome) in rows.iter().zip(outcomes) {
            judge(&mut report, row, &outcome);
        }
        progress.inc(rows.len() as u64);
    }
    Ok(report)
}

fn judge(report: &mut Report, row: &Row, outcome: &Outcome) {
    let told = outcome.lines.first().and_then(|line| Some((line.requested?, line.available?)));
    match (outcome.outcome, told) {
        (OutcomeCode::Ok, None) if outcome.replayed => report.unchanged += 1,
        (OutcomeCode::Ok, None) => report.set += 1,
        // Told again when the sheet is: what is short stays short.
        (OutcomeCode::Ok, Some((wanted, made))) => {
            if outcome.replayed {
                report.unchanged += 1
            } else {
                report.set += 1
            }
            let reason = format!("{} units are promised and stay on the books; they are recorded as short", wanted - made);
            report.errors.push(RowError { line: row.line, column: "On hand (new)".to_owned(), reason });
        }
        (OutcomeCode::StaleCount, Some((expected, found))) => report.errors.push(stale(row, expected, found)),
        (code, _) => report.errors.push(RowError { line: row.line, column: String::new(), reason: name(&code) }),
    }
}
