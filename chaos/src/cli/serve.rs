//! `chaos serve`

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::{Context, ensure};
use chaos::{
    drill::{self, DRILLS},
    serve::{Programme, Setup, run as serve},
};
use chaos_api::Drill;
use clap::Args;
use deploy_api::Control;
use storefront_service::{ListenArgs, init_logging, shutdown_on_signal};

use super::Where;

/// Shorter ones are guessed.
const MIN_TOKEN_BYTES: usize = 16;

#[derive(Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    at: Where,
    #[command(flatten)]
    listen: ListenArgs,
    /// File with the token that callers need; without it, the environment's CONTROLLER_TOKEN, else that of the topology's supervisor
    #[arg(long, env = "CONTROLLER_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Directory of the reports; without it, `drills` beside the topology's file
    #[arg(long)]
    reports: Option<PathBuf>,
    /// Program that is asked to `drill`; without it, this one
    #[arg(long)]
    program: Option<PathBuf>,
}

impl ServeArgs {
    fn token(&self) -> anyhow::Result<String> {
        let text = match (&self.token_file, std::env::var("CONTROLLER_TOKEN")) {
            (Some(file), _) => std::fs::read_to_string(file).with_context(|| format!("--token-file {}", file.display()))?,
            (None, Ok(text)) => text,
            (None, Err(_)) => Control::open(&Control::file_beside(&self.at.file()), &self.at.name)?.token().to_owned(),
        };
        let token = text.trim().to_owned();
        ensure!(token.len() >= MIN_TOKEN_BYTES, "the token has {} bytes; it needs {MIN_TOKEN_BYTES}", token.len());
        Ok(token)
    }
}

/// As operators are told of it.
fn offered(drill: &drill::Drill) -> Drill {
    let about = drill.experiment(&BTreeMap::new()).map(|experiment| experiment.hypothesis).unwrap_or_default();
    Drill { name: drill.name.to_owned(), about }
}

pub(crate) async fn run(args: &ServeArgs) -> anyhow::Result<ExitCode> {
    init_logging("chaos", "drills", "local");
    let topology_file = std::path::absolute(args.at.file())?;
    let beside = || topology_file.with_file_name("drills");
    let drills = DRILLS.iter().map(offered).collect();
    let programme = Programme {
        program: args.program.clone().map_or_else(std::env::current_exe, Ok)?,
        topology_file: topology_file.clone(),
        directory: args.reports.clone().unwrap_or_else(beside),
        drills,
    };
    let setup = Setup { topology_file, token: args.token()?, programme };
    serve(setup, args.listen.bind().await?, shutdown_on_signal()).await?;
    Ok(ExitCode::SUCCESS)
}
