//! `chaos abort`

use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use chaos::{drill::Marker, fault::Injector};
use rustix::process::{Pid, Signal, kill_process};

use super::Where;

/// How long a run may take to end: it heals, within a minute where processes start again, settles and looks up everything, within two, compares
/// both stores, and judges.
const ENDS_WITHIN: Duration = Duration::from_secs(5 * 60);
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
    println!("{experiment} is told to end: it heals, looks up what became of everything, and writes its report");
    let began = Instant::now();
    // That nothing is held now does not say that it is over: its next step may be about to begin.
    while Marker::found(&file).is_some_and(|(_, of)| of == pid) {
        ensure!(
            began.elapsed() < ENDS_WITHIN,
            "{experiment} (process {pid}) did not end within {} s; `chaos heal --all` heals what it broke",
            ENDS_WITHIN.as_secs()
        );
        tokio::time::sleep(LOOK).await;
    }
    let (holds, links) = injector.active().await?;
    ensure!(holds.is_empty() && links.is_empty(), "{experiment} ended and left something broken; `chaos heal --all` heals it");
    println!("{experiment} is given up and everything is healed");
    Ok(ExitCode::SUCCESS)
}
