//! Strict reading: a line that is not in the form ends it, with file and line.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use super::{Operation, ShopLine};

/// Longest line: a checkout of 256 lines with names of 64 bytes is 24 KiB.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Lines of one file: an hour at 1,000 a second, thrice. At about 200 bytes in memory that is 2 GiB, what a checker's machine has.
pub const MAX_LINES: u64 = 10_000_000;

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path}:{line}: not a line of a history: {reason}")]
    Malformed { path: PathBuf, line: u64, reason: String },
    #[error("{path} has over {MAX_LINES} lines; check the run in parts, one SKU is checked apart from the others")]
    TooLong { path: PathBuf },
}

/// Operations on the inventory.
pub fn read_operations(path: &Path) -> Result<Vec<Operation>, HistoryError> {
    parse(path, open(path)?, Operation::fault)
}

/// What shoppers saw.
pub fn read_shop(path: &Path) -> Result<Vec<ShopLine>, HistoryError> {
    parse(path, open(path)?, ShopLine::fault)
}

fn open(path: &Path) -> Result<BufReader<File>, HistoryError> {
    File::open(path).map(BufReader::new).map_err(|source| HistoryError::Unreadable { path: path.to_owned(), source })
}

/// The lines of a history that is still written; the last one may be half there.
pub fn read_so_far(path: &Path) -> Result<Vec<Operation>, HistoryError> {
    let unreadable = |source| HistoryError::Unreadable { path: path.to_owned(), source };
    let text = std::fs::read(path).map_err(unreadable)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    parse(path, &text[..whole], Operation::fault)
}

/// Reads lines from anywhere; `path` is for errors. `fault` says why a line makes no sense.
pub fn parse<T: DeserializeOwned>(
    path: &Path,
    mut from: impl BufRead,
    fault: impl Fn(&T) -> Option<&'static str>,
) -> Result<Vec<T>, HistoryError> {
    let (mut all, mut number, mut bytes) = (Vec::new(), 0, Vec::new());
    loop {
        bytes.clear();
        let read = from.by_ref().take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut bytes);
        let read = read.map_err(|source| HistoryError::Unreadable { path: path.to_owned(), source })?;
        if read == 0 {
            return Ok(all);
        }
        number += 1;
        if number > MAX_LINES {
            return Err(HistoryError::TooLong { path: path.to_owned() });
        }
        let malformed = |reason| HistoryError::Malformed { path: path.to_owned(), line: number, reason };
        if bytes.len() as u64 > MAX_LINE_BYTES {
            return Err(malformed(format!("over {MAX_LINE_BYTES} bytes")));
        }
        let line: T = serde_json::from_slice(&bytes).map_err(|wrong| malformed(plain(&wrong)))?;
        match fault(&line) {
            Some(reason) => return Err(malformed(reason.to_owned())),
            None => all.push(line),
        }
    }
}

/// Without serde's own line, which is always the first.
fn plain(wrong: &serde_json::Error) -> String {
    let text = wrong.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(what, _)| format!("{what}, at column {}", wrong.column()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Op, Out};

    const GOOD: &str =
        r#"{"client":1,"op":"reserve","sku":"cup","id":"a","qty":2,"call":5,"ret":9,"out":"ok","value":null,"ver":3}"#;

    fn read(text: &str) -> Result<Vec<Operation>, String> {
        parse(Path::new("h.jsonl"), text.as_bytes(), Operation::fault).map_err(|wrong| wrong.to_string())
    }

    #[test]
    fn a_line_in_the_published_form_is_read_and_written_the_same() {
        let read = read(GOOD).unwrap();
        let expected = (Op::Reserve, Out::Ok, Some(9), None, Some(3));
        assert_eq!((read[0].op, read[0].out, read[0].ret, read[0].value, read[0].ver), expected);
        assert_eq!(serde_json::to_string(&read[0]).unwrap(), GOOD);
    }

    #[test]
    fn whatever_is_not_in_the_form_is_named_with_file_and_line() {
        let planted = [
            ("\"sku\":\"cup\",", "", "missing field `sku`"),
            (",\"ver\":3", "", "missing field `ver`"),
            ("\"ret\":9", "\"ret\":4", "`ret` is before `call`"),
            ("\"ret\":9", "\"ret\":null", "an answer needs `ret`"),
            ("\"qty\":2", "\"qty\":-2", "invalid value"),
            ("\"qty\":2", "\"qty\":0", "`qty` is 0"),
            ("\"out\":\"ok\"", "\"out\":\"okay\"", "unknown variant `okay`"),
            ("\"ver\":3", "\"ver\":3,\"note\":1", "unknown field `note`"),
            ("\"id\":\"a\"", "\"id\":\"\"", "`id` is empty"),
            ("}", "", "EOF while parsing"),
        ];
        for (from, to, expected) in planted {
            let text = format!("{GOOD}\n{}\n", GOOD.replacen(from, to, 1));
            let wrong = read(&text).unwrap_err();
            assert!(wrong.starts_with("h.jsonl:2: ") && wrong.contains(expected), "{wrong}");
        }
        let long = format!("{GOOD}\n{}", "x".repeat(100_000));
        assert!(read(&long).unwrap_err().contains("h.jsonl:2: not a line of a history: over 65536 bytes"));
    }
}
