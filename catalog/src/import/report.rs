//! What an import did.

use std::path::{Path, PathBuf};

use comfy_table::Table;
use serde::Serialize;

use super::fold::Refused;

/// Refused rows that are listed; all are counted.
const MAX_LISTED: usize = 200;

#[derive(Debug, Serialize)]
pub(crate) struct RefusedRow {
    file: PathBuf,
    #[serde(flatten)]
    refused: Refused,
}

#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) dry_run: bool,
    pub(crate) new: u64,
    pub(crate) changed: u64,
    pub(crate) unchanged: u64,
    pub(crate) variants: u64,
    pub(crate) refused: Vec<RefusedRow>,
    pub(crate) refused_total: u64,
    pub(crate) unknown_columns: Vec<String>,
}

impl Report {
    pub(crate) fn refuse(&mut self, file: &Path, refused: Vec<Refused>) {
        self.refused_total += refused.len() as u64;
        let room = MAX_LISTED.saturating_sub(self.refused.len());
        self.refused.extend(refused.into_iter().take(room).map(|refused| RefusedRow { file: file.to_owned(), refused }));
    }

    pub(crate) fn note_columns(&mut self, file: &Path, unknown: &[String]) {
        self.unknown_columns.extend(unknown.iter().map(|name| format!("{}: {name}", file.display())));
    }

    /// For people.
    pub(crate) fn table(&self) -> String {
        let mut table = Table::new();
        table.set_header(["new", "changed", "unchanged", "variants", "refused"]);
        table.add_row([self.new, self.changed, self.unchanged, self.variants, self.refused_total]);
        let mut text = table.to_string();
        if self.dry_run {
            text.push_str("\nnothing was written (--dry-run)");
        }
        for row in &self.refused {
            let Refused { line, column, reason } = &row.refused;
            text.push_str(&format!("\n{}:{line}: {column}: {reason}", row.file.display()));
        }
        for column in &self.unknown_columns {
            text.push_str(&format!("\nnot used: column {column}"));
        }
        text
    }
}
