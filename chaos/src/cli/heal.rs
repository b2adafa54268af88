//! `chaos heal`

use std::process::ExitCode;

use chaos::{fault::Injector, kubernetes::Which};
use clap::Args;

use super::{
    Where,
    kubernetes::{Ground, KubernetesArgs},
};

#[derive(Args)]
pub(crate) struct HealArgs {
    /// Everything that anybody broke in this topology, or in the cluster
    #[arg(long, required_unless_present = "expired")]
    all: bool,
    /// In a cluster: only what is broken longer than its lease allows. Nobody else ends a lease there: run this again and again
    #[arg(long, requires = "target", conflicts_with = "all")]
    expired: bool,
    /// Where, if not on this machine
    #[arg(long, value_enum)]
    target: Option<Ground>,
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    kubernetes: KubernetesArgs,
}

pub(crate) async fn run(args: &HealArgs) -> anyhow::Result<ExitCode> {
    let healed = match args.target {
        Some(Ground::Kubernetes) => {
            let which = if args.expired { Which::Expired } else { Which::All };
            args.kubernetes.open()?.heal(which).await?.len()
        }
        None => {
            let injector = Injector::open(&args.at.file()).await?;
            let (holds, faults) = injector.active().await?;
            injector.heal_all().await?;
            holds.len() + faults.len()
        }
    };
    match healed {
        0 => println!("nothing was broken"),
        healed => println!("{healed} faults are healed"),
    }
    Ok(ExitCode::SUCCESS)
}
