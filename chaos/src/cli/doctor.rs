//! `chaos doctor`

use std::process::ExitCode;

use chaos::fault::{Check, examine};
use comfy_table::Table;

use super::{Of, Output};

pub(crate) async fn run(of: &Of) -> anyhow::Result<ExitCode> {
    let checks = examine(&of.at.file()).await;
    match of.output {
        Output::Json => println!("{}", serde_json::to_string(&checks)?),
        Output::Table => {
            let mut table = Table::new();
            table.set_header(["what", "works", "how it was found"]);
            for Check { what, works, detail, .. } in &checks {
                table.add_row([*what, if *works { "yes" } else { "no" }, detail.as_str()]);
            }
            println!("{table}");
        }
    }
    let all = checks.iter().all(|check| check.works || !check.is_needed);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
