//! `inventory-simulation`: runs seeds until one fails or there were enough of them.

mod cli;
mod seeds;

use std::process::ExitCode;

use clap::Parser;
use inventory_simulation::simulate;
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<ExitCode> {
    let cli = cli::Cli::parse();
    let Some(seed) = cli.one else { return seeds::run(&cli) };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("off"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    println!("{}", serde_json::to_string(&simulate(seed, cli.options())?)?);
    Ok(ExitCode::SUCCESS)
}
