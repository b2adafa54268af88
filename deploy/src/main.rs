//! `cargo deploy`.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match deploy::run(deploy::Cli::parse()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
