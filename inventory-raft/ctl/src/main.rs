//! `inventoryctl`: looks after an inventory cluster.

mod cli;
mod count_sheet;
mod import;
mod ledger;
mod members;
mod output;
mod remote;
mod snapshot;
mod status;
mod stock;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match cli::run(cli::Cli::parse()).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("inventoryctl: {error:#}");
            let unreachable = error.chain().any(|cause| cause.downcast_ref::<remote::Unreachable>().is_some());
            ExitCode::from(if unreachable { cli::UNREACHABLE } else { cli::FAILED })
        }
    }
}
