//! A topology in the background.

use std::{
    fs, io,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use deploy_api::{Control, Topology};
use indicatif::ProgressBar;

use crate::plan::Place;

/// Longest wait for it: a first start imports a catalog.
const DETACHED_LIMIT: Duration = Duration::from_secs(180);

const POLL: Duration = Duration::from_millis(50);

/// Starts this program again in the background with the same arguments, and waits until its topology is ready.
pub(crate) fn spawn(place: &Place, arguments: &[String]) -> anyhow::Result<Topology> {
    place.make()?;
    if place.control().is_ok() {
        bail!("{:?} is up already", place.name);
    }
    let log = place.log_of("supervisor");
    let output = fs::File::create(&log)?;
    let mut command = Command::new("setsid");
    command.arg(own_program()?).arg("supervise").args(arguments.iter().filter(|argument| *argument != "--detach"));
    command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
    let mut child = command.spawn().context("setsid cannot be run")?;
    let progress = ProgressBar::new_spinner().with_message("starting in the background");
    progress.enable_steady_tick(Duration::from_millis(100));
    let began = Instant::now();
    loop {
        if let Some(topology) = place.control().ok().filter(Control::is_ready).and_then(|control| control.status().ok()) {
            progress.finish_and_clear();
            return Ok(topology);
        }
        if let Some(status) = child.try_wait()? {
            progress.finish_and_clear();
            let said = fs::read_to_string(&log).unwrap_or_default();
            bail!("the supervisor ended with {status}: {}", said.trim().lines().last().unwrap_or("it said nothing"));
        }
        if began.elapsed() > DETACHED_LIMIT {
            bail!("not ready after {DETACHED_LIMIT:?}; see {}", log.display());
        }
        thread::sleep(POLL);
    }
}

/// This program's file; after a rebuild under a running program, the new one in its place.
fn own_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(path.to_string_lossy().strip_suffix(" (deleted)").map_or_else(|| path.clone(), PathBuf::from))
}
