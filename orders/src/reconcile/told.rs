//! What a reconciliation by hand says.

use anyhow::Context;
use serde::Serialize;

use crate::config::Output;

/// Something is left that repeating does not bring to rest.
pub(super) const LEFT: u8 = 4;

/// What a count means to an operator; one without an entry stands for itself.
const MEANINGS: [(&str, &str); 2] = [
    ("recorded", "accepted orders that PostgreSQL did not have, and has now"),
    ("foreign", "confirmed reservations that are no orders of a checkout, or that PostgreSQL refuses; they are left as they are"),
];

/// Every count of `done`, by its name.
pub(super) fn print(done: &impl Serialize, output: Output) -> anyhow::Result<()> {
    let done = serde_json::to_value(done)?;
    match output {
        Output::Json => println!("{done}"),
        Output::Table => {
            for (name, count) in done.as_object().context("no counts")? {
                let meaning = MEANINGS.iter().find(|(of, _)| of == name).map_or("", |(_, meaning)| meaning);
                println!("{name:12} {count:>8}  {meaning}");
            }
        }
    }
    Ok(())
}
