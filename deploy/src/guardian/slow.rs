//! A process that has only a share of each moment: stopped and let go on, again and again.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::Signal;

use super::family::signal_family;
use crate::supervisor::Supervisor;

/// One stop and one go.
const PERIOD: Duration = Duration::from_millis(100);

/// Slow until it is dropped.
pub(crate) struct Slowed {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Slowed {
    pub(crate) fn start(supervisor: Supervisor, names: Vec<String>, stopped_percent: u8) -> std::io::Result<Self> {
        let (end, ended) = mpsc::channel::<()>();
        let stopped = PERIOD * u32::from(stopped_percent) / 100;
        let signal = move |signal: Signal| {
            let topology = supervisor.topology();
            for process in names.iter().filter_map(|name| topology.process(name)) {
                // One that does not run now may run in the next period.
                let _ = signal_family(process, signal);
            }
        };
        let turns = move || {
            let mut is_over = false;
            while !is_over {
                signal(Signal::STOP);
                is_over = ended.recv_timeout(stopped) != Err(RecvTimeoutError::Timeout);
                signal(Signal::CONT);
                is_over = is_over || ended.recv_timeout(PERIOD - stopped) != Err(RecvTimeoutError::Timeout);
            }
        };
        let thread = thread::Builder::new().name("slow".to_owned()).spawn(turns)?;
        Ok(Self { end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Slowed {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
