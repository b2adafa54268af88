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

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
    };

    use rustix::process::{Pid, Signal, kill_process};

    use super::*;

    const NAME: &str = "cli::interrupts::tests::the_first_ends_the_run_and_the_second_the_program";
    const IS_CHILD: &str = "CHAOS_TEST_OF_INTERRUPTS";

    /// This program again, which ends at the second: signals are a whole process's.
    #[tokio::test]
    async fn the_first_ends_the_run_and_the_second_the_program() {
        if std::env::var_os(IS_CHILD).is_some() {
            return run().await;
        }
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", NAME, "--nocapture"]).env(IS_CHILD, "1").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let pid = Pid::from_child(&child);
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        assert!(said.any(|line| line.contains("a run is under way")));
        kill_process(pid, Signal::INT).unwrap();
        assert!(said.any(|line| line.contains("the run ends")));
        assert_eq!(child.try_wait().unwrap(), None, "it looks up and judges");
        kill_process(pid, Signal::TERM).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(INTERRUPTED));
    }

    async fn run() {
        let interrupts = Interrupts::heard().unwrap();
        assert!(!interrupts.any());
        println!("a run is under way");
        interrupts.first().cancelled().await;
        assert!(interrupts.any());
        println!("the run ends");
        std::future::pending().await
    }
}
