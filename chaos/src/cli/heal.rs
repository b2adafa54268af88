//! `chaos heal`

use std::process::ExitCode;

use chaos::fault::Injector;
use clap::Args;

use super::Where;

#[derive(Args)]
pub(crate) struct HealArgs {
    /// Everything that anybody broke in this topology
    #[arg(long, required = true)]
    all: bool,
    #[command(flatten)]
    at: Where,
}

pub(crate) async fn run(args: &HealArgs) -> anyhow::Result<ExitCode> {
    let injector = Injector::open(&args.at.file()).await?;
    let (holds, faults) = injector.active().await?;
    injector.heal_all().await?;
    match holds.len() + faults.len() {
        0 => println!("nothing was broken"),
        healed => println!("{healed} faults are healed"),
    }
    Ok(ExitCode::SUCCESS)
}
