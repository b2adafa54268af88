//! An inventory sheet, as shops export it: one row for each SKU and location. Pure: text in, rows and errors out.

use std::collections::BTreeMap;

use serde::Serialize;
use storefront_types::{LocationId, Sku};

/// A count to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) sku: Sku,
    pub(crate) location: LocationId,
    /// What the sheet says was on hand; a shop that oversold writes less than nothing, which is nothing here.
    pub(crate) current: Option<u64>,
    pub(crate) new: u64,
}

/// A row that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RowError {
    pub(crate) line: u64,
    pub(crate) column: String,
    pub(crate) reason: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) rows: Vec<Row>,
    pub(crate) errors: Vec<RowError>,
    /// Rows with nothing to set.
    pub(crate) passed_over: u64,
}

const SKU: &str = "SKU";
const LOCATION: &str = "Location";
const CURRENT: &str = "On hand (current)";
const NEW: &str = "On hand (new)";

/// The columns by name, whatever their order and case.
struct Columns {
    sku: usize,
    location: usize,
    current: Option<usize>,
    new: usize,
}

impl Columns {
    fn of(header: &csv::StringRecord) -> anyhow::Result<Self> {
        let find = |name: &str| header.iter().position(|column| column.trim().eq_ignore_ascii_case(name));
        let need = |name| find(name).ok_or_else(|| anyhow::anyhow!("the sheet has no column {name:?}"));
        Ok(Self { sku: need(SKU)?, location: need(LOCATION)?, current: find(CURRENT), new: need(NEW)? })
    }
}

/// The id of a location that is not mapped: its name in lower case, with '-' for everything that is no letter or digit.
fn slug(name: &str) -> String {
    let plain: String = name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    plain.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

fn is_nothing(text: &str) -> bool {
    text.is_empty() || text.eq_ignore_ascii_case("not stocked")
}

/// Reads a sheet. Fails only when it is no such sheet at all.
pub(crate) fn read(text: &[u8], locations: &BTreeMap<String, LocationId>) -> anyhow::Result<Sheet> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text));
    let columns = Columns::of(reader.headers()?)?;
    let mut sheet = Sheet::default();
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                sheet.errors.push(RowError { line, column: String::new(), reason: error.to_string() });
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        match row(line, &record, &columns, locations) {
            Ok(Some(row)) => sheet.rows.push(row),
            Ok(None) => sheet.passed_over += 1,
            Err((column, reason)) => sheet.errors.push(RowError { line, column: column.to_owned(), reason }),
        }
    }
    Ok(sheet)
}

type Wrong = (&'static str, String);

fn row(
    line: u64,
    record: &csv::StringRecord,
    columns: &Columns,
    locations: &BTreeMap<String, LocationId>,
) -> Result<Option<Row>, Wrong> {
    let field = |at: usize| record.get(at).unwrap_or_default().trim();
    let new = field(columns.new);
    if is_nothing(new) {
        return Ok(None);
    }
    let sku = Sku::parse(field(columns.sku)).map_err(|error| (SKU, error.to_string()))?;
    let name = field(columns.location);
    let location = match locations.get(name) {
        Some(known) => known.clone(),
        None => slug(name).parse().map_err(|_| (LOCATION, format!("{name:?} gives no id; map it with --location")))?,
    };
    let new: i64 = new.parse().map_err(|_| (NEW, format!("{new:?} is no whole number")))?;
    let new = u64::try_from(new).map_err(|_| (NEW, format!("{new} units cannot lie anywhere; count again")))?;
    let current = columns.current.map(field).filter(|text| !text.is_empty());
    let current = match current {
        None => None,
        Some(text) if is_nothing(text) => Some(0),
        Some(text) => {
            let units: i64 = text.parse().map_err(|_| (CURRENT, format!("{text:?} is no whole number")))?;
            Some(u64::try_from(units).unwrap_or(0))
        }
    };
    Ok(Some(Row { line, sku, location, current, new }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_passed_over_or_named() {
        let text = "\u{feff}Handle,Title,SKU,Location,On hand (current),On hand (new)\n\
            cup,Cup,CUP-1,Main Street,3,7\n\
            cup,Cup,CUP-1,Old Town,not stocked,2\n\
            cup,Cup,CUP-1,Main Street,5,\n\
            cup,Cup,CUP-1,Main Street,5,Not stocked\n\
            cup,Cup,CUP-2,Main Street,-4,0\n\
            cup,Cup,,Main Street,1,1\n\
            cup,Cup,CUP-3,Main Street,1,-2\n\
            cup,Cup,CUP-3,Main Street,one,2\n\
            cup,Cup,CUP-3,???,1,2\n";
        let mapped = BTreeMap::from([("Old Town".to_owned(), "eu-2".parse().unwrap())]);
        let sheet = read(text.as_bytes(), &mapped).unwrap();
        let rows: Vec<_> = sheet.rows.iter().map(|row| (row.line, row.location.as_str(), row.current, row.new)).collect();
        assert_eq!(rows, [(2, "main-street", Some(3), 7), (3, "eu-2", Some(0), 2), (6, "main-street", Some(0), 0)]);
        assert_eq!(sheet.passed_over, 2);
        let errors: Vec<_> = sheet.errors.iter().map(|error| (error.line, error.column.as_str())).collect();
        assert_eq!(errors, [(7, SKU), (8, NEW), (9, CURRENT), (10, LOCATION)]);
        assert!(read(b"SKU,Title\n", &mapped).unwrap_err().to_string().contains("Location"));
    }
}
