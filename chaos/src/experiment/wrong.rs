//! What is wrong with a file, and where.

use std::{ops::Range, path::PathBuf};

use super::bound::did_you_mean;

#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    #[error("{file} cannot be read: {source}")]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("{file}:{line}:{column}: {what}")]
    At { file: String, line: usize, column: usize, what: String },
    #[error("there is no parameter {name:?} in {file}; {}", takes(allowed))]
    NoParameter { file: String, name: String, allowed: Vec<String> },
}

fn takes(allowed: &[String]) -> String {
    if allowed.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", allowed.join(", ")) }
}

/// Line and column of a byte, both from 1.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(at)];
    let line_begins = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_begins..].chars().count() + 1)
}

/// The line of a byte, from 1.
pub(super) fn line(text: &str, at: usize) -> usize {
    place(text, at).0
}

impl Wrong {
    pub(super) fn at(file: &str, text: &str, span: &Range<usize>, what: impl ToString) -> Self {
        let (line, column) = place(text, span.start);
        Self::At { file: file.to_owned(), line, column, what: what.to_string() }
    }

    /// What the parser says, with the word that was perhaps meant.
    pub(super) fn of_parser(file: &str, text: &str, error: &toml::de::Error) -> Self {
        // `unknown field `a`, expected one of `b`, `c``
        let quoted: Vec<&str> = error.message().split('`').skip(1).step_by(2).collect();
        let meant = match quoted.split_first() {
            Some((given, allowed)) if error.message().starts_with("unknown") => did_you_mean(given, &allowed.join(", ")),
            _ => String::new(),
        };
        Self::at(file, text, &error.span().unwrap_or_default(), format!("{}{meant}", error.message().trim()))
    }
}
