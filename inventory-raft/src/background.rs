//! Threads for work that no caller waits for: snapshots, pages written behind the log. They give way to those that answer callers.

use std::{
    io,
    thread::{Builder, JoinHandle},
};

use tokio::sync::oneshot;

use crate::clock;

/// Added to the niceness (nice(2); on Linux a thread's own): about a tenth of the time that others get when processors are scarce.
const NICER: i32 = 10;

/// Starts a thread.
pub(crate) fn spawn<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    let run = move || {
        if let Err(error) = rustix::process::nice(NICER) {
            tracing::debug!(%error, "background work competes with callers");
        }
        work()
    };
    Builder::new().name(name.to_owned()).spawn(run)
}

/// Runs work on a thread of its own and waits for what it gives. In a simulated world it is done in place, because threads would decide the
/// order of things.
pub(crate) async fn run<T: Send + 'static>(name: &str, work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    if clock::is_simulated() {
        return work();
    }
    let (done, result) = oneshot::channel();
    // The receiver is gone only when the process stops.
    spawn(name, move || drop(done.send(work())))?;
    result.await.map_err(|_| io::Error::other("the work ended in a panic"))?
}

/// The same for work that somebody waits for.
pub(crate) async fn wanted<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    if clock::is_simulated() {
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

/// Drops something large.
pub(crate) fn forget<T: Send + 'static>(large: T) {
    // Without a thread it is dropped in place.
    let _ = if clock::is_simulated() { None } else { spawn("forget", move || drop(large)).ok() };
}
