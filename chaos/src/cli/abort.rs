//! `chaos abort`

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chaos::{drill::Marker, fault::Injector};
use rustix::process::{Pid, Signal, kill_process};

use super::Where;

/// How long a run may take to heal what it broke; processes start again meanwhile.
const HEALS_WITHIN: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);

pub(crate) async fn run(at: &Where) -> anyhow::Result<ExitCode> {
    let file = at.file();
    let injector = Injector::open(&file).await?;
    let Some((experiment, pid)) = Marker::found(&file) else {
        println!("nothing goes on here; `chaos heal --all` heals what is left of one that was killed");
        return Ok(ExitCode::FAILURE);
    };
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw).context("no such process")?;
    kill_process(process, Signal::INT).with_context(|| format!("process {pid} cannot be told"))?;
    let began = Instant::now();
    loop {
        let (holds, links) = injector.active().await?;
        if holds.is_empty() && links.is_empty() {
            println!("{experiment} is given up and everything is healed; its report follows");
            return Ok(ExitCode::SUCCESS);
        }
        ensure!(began.elapsed() < HEALS_WITHIN, "it does not heal; `chaos heal --all` does");
        tokio::time::sleep(LOOK).await;
    }
}
