//! Ctrl-C and SIGTERM over all runs of one call: the first ends the run that is under way and begins no other, the second ends the program.

use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// As of a program that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Whether somebody wanted it to end, in whichever part of a run that was.
pub(super) struct Interrupts(CancellationToken);

impl Interrupts {
    /// Listens from now on.
    pub(super) fn heard() -> anyhow::Result<Self> {
        let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        let told = CancellationToken::new();
        let tell = told.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if tell.is_cancelled() {
                    eprintln!("ended at once; what is broken heals within its lease");
                    process::exit(INTERRUPTED);
                }
                tell.cancel();
                eprintln!("ending; what was done so far is looked up and judged. Once more ends at once");
            }
        });
        Ok(Self(told))
    }

    pub(super) fn any(&self) -> bool {
        self.0.is_cancelled()
    }

    /// For the run that is under way: cancelled by the first.
    pub(super) fn first(&self) -> &CancellationToken {
        &self.0
    }
}
