//! Holds processes in their faults, and makes them whole again when the lease is over, whatever became of the holder.

mod family;
mod leases;
mod slow;
mod votes;

use std::{
    collections::BTreeMap,
    mem::discriminant,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use deploy_api::{Hold, HoldView, MAX_LEASE, Process, ProcessFault, ProcessKind};
use rustix::process::Signal;

use crate::{fault_points::FaultPoints, supervisor::Supervisor};
use family::signal_family;
use leases::Held;
use slow::Slowed;
use votes::Votes;

/// Between two looks at the leases.
const LOOK: Duration = Duration::from_millis(50);

/// Processes of one hold; a topology has a few dozen.
const MAX_PROCESSES: usize = 1_000;

/// Furthest that a clock is set: a day, as after a wrong time zone.
const MAX_CLOCK_MS: u64 = 24 * 3_600 * 1_000;

pub(crate) struct Guardian {
    held: Mutex<Held>,
    slowed: Mutex<BTreeMap<String, Slowed>>,
    votes: Votes,
    /// One change at a time.
    changing: Mutex<()>,
    began: Instant,
}

impl Default for Guardian {
    fn default() -> Self {
        let (held, slowed, votes, changing) = (Mutex::default(), Mutex::default(), Votes::default(), Mutex::default());
        Self { held, slowed, votes, changing, began: Instant::now() }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What cannot be held twice at one process: whether it runs, its clock, its disk, its vote.
fn same_part(one: &ProcessFault, other: &ProcessFault) -> bool {
    let part = |fault: &ProcessFault| match fault {
        ProcessFault::Clock { .. } => 1,
        ProcessFault::DiskFull | ProcessFault::SyncFails => 2,
        ProcessFault::Demoted => 3,
        _ => 0,
    };
    discriminant(one) == discriminant(other) || part(one) == part(other)
}

fn check(hold: &Hold) -> anyhow::Result<()> {
    let longest = MAX_LEASE.as_millis();
    ensure!(hold.lease_ms > 0 && u128::from(hold.lease_ms) <= longest, "a lease is 1 to {longest} ms; renew it for longer");
    ensure!(!hold.processes.is_empty() && hold.processes.len() <= MAX_PROCESSES, "a fault is at 1 to {MAX_PROCESSES} processes");
    match hold.fault {
        ProcessFault::Slow { stopped_percent } | ProcessFault::SlowStart { stopped_percent } => {
            ensure!((1..=99).contains(&stopped_percent), "stopped_percent is 1 to 99");
        }
        ProcessFault::Clock { offset_ms } => {
            ensure!((1..=MAX_CLOCK_MS).contains(&offset_ms.unsigned_abs()), "offset_ms is up to {MAX_CLOCK_MS}, and not 0");
        }
        _ => {}
    }
    Ok(())
}

impl Guardian {
    /// Looks after the leases as long as the process lives.
    pub(crate) fn watch(supervisor: Supervisor) -> anyhow::Result<()> {
        Votes::watch(supervisor.clone())?;
        let look = move || loop {
            thread::sleep(LOOK);
            let guardian = supervisor.guardian();
            let _one = lock(&guardian.changing);
            let expired = lock(&guardian.held).expire(guardian.began.elapsed());
            for hold in expired {
                eprintln!("nobody renewed {}; {} work again", hold.id, hold.processes.join(", "));
                if let Err(error) = guardian.make_whole(&supervisor, &hold) {
                    eprintln!("{} is not healed, and is tried again: {error:#}", hold.id);
                }
            }
        };
        thread::Builder::new().name("guardian".to_owned()).spawn(look)?;
        Ok(())
    }

    pub(crate) fn hold(&self, supervisor: &Supervisor, hold: Hold) -> anyhow::Result<()> {
        check(&hold)?;
        let _one = lock(&self.changing);
        let processes = processes(supervisor, &hold)?;
        // What cannot be done here is refused before: undoing it could not be done either, and would be tried for ever.
        can(supervisor, &hold, &processes)?;
        {
            let mut held = lock(&self.held);
            ensure!(held.get(&hold.id).is_none(), "there is a fault {:?} already; heal it first", hold.id);
            let taken = held.iter().find(|(_, other, _)| {
                same_part(&other.fault, &hold.fault) && other.processes.iter().any(|name| hold.processes.contains(name))
            });
            if let Some((id, ..)) = taken {
                bail!("the fault {id:?} is at one of these processes already; heal it first");
            }
            let until = self.began.elapsed() + Duration::from_millis(hold.lease_ms);
            held.set(hold.clone(), until)?;
        }
        let done = self.apply(supervisor, &hold, &processes);
        if done.is_err() {
            lock(&self.held).end(&hold.id);
            let _ = self.make_whole(supervisor, &hold);
        }
        done
    }

    fn apply(&self, supervisor: &Supervisor, hold: &Hold, processes: &[Process]) -> anyhow::Result<()> {
        match hold.fault {
            ProcessFault::Down => {
                let running = processes.iter().filter(|process| process.pid.is_some());
                supervisor.kill_all(&running.map(|process| process.name.clone()).collect::<Vec<_>>())?;
            }
            ProcessFault::Paused => processes.iter().try_for_each(|process| signal_family(process, Signal::STOP))?,
            ProcessFault::Slow { stopped_percent } => self.slow(supervisor, hold, stopped_percent)?,
            ProcessFault::SlowStart { stopped_percent } => {
                supervisor.kill_all(&hold.processes)?;
                self.slow(supervisor, hold, stopped_percent)?;
                // Nobody waits here until it is ready: that takes as long as the fault lets it.
                supervisor.begin_all(&hold.processes)?;
            }
            ProcessFault::Clock { offset_ms } => each(supervisor, processes, |points, _| points.set_clock(offset_ms))?,
            ProcessFault::DiskFull => each(supervisor, processes, |points, data| points.set_full(data, true))?,
            ProcessFault::SyncFails => each(supervisor, processes, |points, data| points.set_sync_fails(data, true))?,
            ProcessFault::Demoted => self.votes.take(supervisor, processes)?,
        }
        Ok(())
    }

    fn slow(&self, supervisor: &Supervisor, hold: &Hold, stopped_percent: u8) -> anyhow::Result<()> {
        let slowed = Slowed::start(supervisor.clone(), hold.processes.clone(), stopped_percent)?;
        lock(&self.slowed).insert(hold.id.clone(), slowed);
        Ok(())
    }

    /// What does not succeed is kept, and the guardian tries again.
    fn make_whole(&self, supervisor: &Supervisor, hold: &Hold) -> anyhow::Result<()> {
        let done = self.undo(supervisor, &hold.id, hold);
        lock(&self.held).tried(hold, done.is_ok(), self.began.elapsed());
        done
    }

    fn undo(&self, supervisor: &Supervisor, id: &str, hold: &Hold) -> anyhow::Result<()> {
        let topology = supervisor.topology();
        // One that is no part of the topology any more needs nothing, and would keep the others from being tried.
        let processes: Vec<Process> = hold.processes.iter().filter_map(|name| topology.process(name).cloned()).collect();
        match hold.fault {
            ProcessFault::Down => start_missing(supervisor, &processes),
            ProcessFault::Paused => processes.iter().try_for_each(|process| signal_family(process, Signal::CONT)),
            ProcessFault::Slow { .. } | ProcessFault::SlowStart { .. } => {
                // Its last act is to let them go on.
                drop(lock(&self.slowed).remove(id));
                Ok(())
            }
            ProcessFault::Clock { .. } => each(supervisor, &processes, |points, _| points.set_clock(0)),
            ProcessFault::DiskFull => each(supervisor, &processes, |points, data| points.set_full(data, false)),
            ProcessFault::SyncFails => each(supervisor, &processes, |points, data| points.set_sync_fails(data, false)),
            ProcessFault::Demoted => {
                self.votes.give_back(&hold.processes);
                Ok(())
            }
        }?;
        // A node whose disk fails ends itself, as it must; it is an operator's part to start it when the disk is well.
        match hold.fault {
            ProcessFault::DiskFull | ProcessFault::SyncFails => start_missing(supervisor, &processes),
            _ => Ok(()),
        }
    }

    pub(crate) fn renew(&self, id: &str, lease_ms: u64) -> anyhow::Result<()> {
        ensure!(Duration::from_millis(lease_ms) <= MAX_LEASE, "a lease is up to {} ms", MAX_LEASE.as_millis());
        let until = self.began.elapsed() + Duration::from_millis(lease_ms);
        ensure!(lock(&self.held).renew(id, until), "there is no fault {id:?}; its lease may be over");
        Ok(())
    }

    pub(crate) fn heal(&self, supervisor: &Supervisor, id: &str) -> anyhow::Result<()> {
        let ended = {
            let _one = lock(&self.changing);
            let held = lock(&self.held).end(id);
            held.map(|hold| self.make_whole(supervisor, &hold).map(|()| hold)).transpose()?
        };
        // Others may heal meanwhile: it may be they who bring back a quorum.
        if ended.is_some_and(|hold| hold.fault == ProcessFault::Demoted) { self.votes.wait() } else { Ok(()) }
    }

    /// All of them, also when one fails; then why.
    pub(crate) fn heal_all(&self, supervisor: &Supervisor) -> anyhow::Result<()> {
        let mut failed: Vec<String> = {
            let _one = lock(&self.changing);
            let held = lock(&self.held).end_all();
            let undo = |hold: &Hold| self.make_whole(supervisor, hold).err().map(|error| format!("{}: {error:#}", hold.id));
            held.iter().filter_map(undo).collect()
        };
        failed.extend(self.votes.wait().err().map(|error| format!("{error:#}")));
        ensure!(failed.is_empty(), "not healed: {}", failed.join("; "));
        Ok(())
    }

    /// Lets everything go on, so that it can be stopped in order. Nothing is started.
    pub(crate) fn release(&self, supervisor: &Supervisor) {
        let _one = lock(&self.changing);
        lock(&self.slowed).clear();
        for hold in lock(&self.held).end_all() {
            for process in processes(supervisor, &hold).into_iter().flatten() {
                let _ = signal_family(&process, Signal::CONT);
            }
        }
    }

    pub(crate) fn views(&self) -> Vec<HoldView> {
        let now = self.began.elapsed();
        let view = |(id, hold, until): (&str, &Hold, Duration)| HoldView {
            id: id.to_owned(),
            processes: hold.processes.clone(),
            fault: hold.fault,
            left_ms: u64::try_from(until.saturating_sub(now).as_millis()).unwrap_or(u64::MAX),
            because: (hold.fault == ProcessFault::Demoted).then(|| self.votes.because(&hold.processes)).flatten(),
        };
        let mut views: Vec<HoldView> = lock(&self.held).iter().map(view).collect();
        views.extend(self.votes.owed());
        views
    }
}

/// The processes of a hold as they are now.
fn processes(supervisor: &Supervisor, hold: &Hold) -> anyhow::Result<Vec<Process>> {
    let topology = supervisor.topology();
    let find = |name: &String| topology.process(name).cloned().with_context(|| format!("there is no process {name:?}"));
    hold.processes.iter().map(find).collect()
}

fn can(supervisor: &Supervisor, hold: &Hold, processes: &[Process]) -> anyhow::Result<()> {
    let of_points = matches!(hold.fault, ProcessFault::Clock { .. } | ProcessFault::DiskFull | ProcessFault::SyncFails);
    let has_points = || {
        let are_nodes = processes.iter().all(|process| process.kind == ProcessKind::Inventory && process.data_dir.is_some());
        supervisor.has_fault_points() && are_nodes
    };
    ensure!(
        !of_points || has_points(),
        "disks and clocks can be hurt at nodes of the inventory alone, in a topology that was started with --fault-points"
    );
    Ok(())
}

fn start_missing(supervisor: &Supervisor, processes: &[Process]) -> anyhow::Result<()> {
    let missing = processes.iter().filter(|process| process.pid.is_none()).map(|process| process.name.clone());
    let missing: Vec<String> = missing.collect();
    if missing.is_empty() { Ok(()) } else { supervisor.start_all_of(&missing).map(drop) }
}

/// At the fault points of each.
fn each(
    supervisor: &Supervisor,
    processes: &[Process],
    set: impl Fn(&FaultPoints, &PathBuf) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    for process in processes {
        let data = process.data_dir.as_ref().with_context(|| format!("{} has no data", process.name))?;
        set(&FaultPoints::of(supervisor.place(), &process.name), data)?;
    }
    Ok(())
}
