//! Signals to a process and all that belong to it: a PostgreSQL whose postmaster alone is stopped goes on answering.

use std::{fs, path::Path};

use anyhow::Context;
use deploy_api::{Process, ProcessKind};
use rustix::process::{Pid, Signal, kill_process};

/// How deep processes below a process are looked for: a shell's child has children of its own.
const MAX_DEPTH: usize = 4;

/// A process that ends meanwhile is no failure; one that does not run at all is, for a signal that stops.
pub(crate) fn signal_family(process: &Process, signal: Signal) -> anyhow::Result<()> {
    let Some(pid) = process.pid else {
        anyhow::ensure!(signal == Signal::CONT, "{} does not run", process.name);
        return Ok(());
    };
    let mut family = vec![pid];
    if let (ProcessKind::Postgres, Some(directory)) = (process.kind, &process.data_dir) {
        // Under Patroni the server is no child.
        family.extend(postmaster(directory).filter(|server| *server != pid));
    }
    let roots = family.clone();
    roots.iter().for_each(|root| below(*root, MAX_DEPTH, &mut family));
    // The parents first: what is stopped starts no others.
    for member in family {
        let member = i32::try_from(member).ok().and_then(Pid::from_raw).context("no process id")?;
        let sent = kill_process(member, signal);
        anyhow::ensure!(matches!(sent, Ok(()) | Err(rustix::io::Errno::SRCH)), "{}: {sent:?}", process.name);
    }
    Ok(())
}

fn below(pid: u32, depth: usize, family: &mut Vec<u32>) {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in text.split_whitespace().filter_map(|child| child.parse().ok()).filter(|_| depth > 0) {
        family.push(child);
        below(child, depth - 1, family);
    }
}

/// The server that works in this directory now.
fn postmaster(directory: &Path) -> Option<u32> {
    let data = directory.join("data");
    let text = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = text.lines().next()?.trim().parse().ok()?;
    // The file outlives a crash, and its number may be another process's by now.
    let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    (works_in == data.canonicalize().ok()?).then_some(pid)
}
