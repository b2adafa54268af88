//! Tables for people, JSON for programs.

use comfy_table::Table;
use serde::Serialize;

use crate::cli::Output;

/// Prints `value` as JSON, or the rows under their header.
pub(crate) fn print<const N: usize>(
    output: Output,
    value: &impl Serialize,
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> anyhow::Result<()> {
    if output == Output::Json {
        println!("{}", serde_json::to_string_pretty(value)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.set_header(header);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
    Ok(())
}

/// Bytes in the unit that suits them.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// An enumeration's name as the API writes it.
pub(crate) fn name(of: &impl Serialize) -> String {
    serde_json::to_value(of).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
