//! One thread for each process: it starts the process and stays, because the kernel ends a child when the *thread* that started it ends.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use backing_servers::{Postgres, Redis, guarded};
use rustix::process::{Pid, Signal, kill_process};

use crate::{build::Programs, commands::Service, readiness};

/// Longest wait for a process to end by itself after it was asked to: an edge drains for 30 s, and its admin port for one more.
const STOP_LIMIT: Duration = Duration::from_secs(35);

/// A log longer than this is begun anew when its process starts.
const MAX_LOG_BYTES: u64 = 64 * 1024 * 1024;

/// What a keeper keeps.
pub(crate) enum Kind {
    Service(Box<Service>, Programs),
    Postgres { directory: PathBuf, port: u16, password: String },
    Redis { directory: PathBuf, port: u16 },
}

enum Order {
    Start(mpsc::Sender<Result<(), String>>),
    Kill(mpsc::Sender<Result<(), String>>),
    Stop(mpsc::Sender<Result<(), String>>),
}

/// A process under a keeper's care.
pub(crate) struct Keeper {
    orders: mpsc::Sender<Order>,
    pid: Arc<Mutex<Option<u32>>>,
}

impl Keeper {
    pub(crate) fn new(name: &str, kind: Kind, log: PathBuf) -> std::io::Result<Self> {
        let (orders, received) = mpsc::channel();
        let pid = Arc::new(Mutex::new(None));
        let shared = pid.clone();
        thread::Builder::new().name(name.to_owned()).spawn(move || keep(&kind, &log, &shared, &received))?;
        Ok(Self { orders, pid })
    }

    /// Of the running process.
    pub(crate) fn pid(&self) -> Option<u32> {
        let pid = *self.pid.lock().unwrap_or_else(PoisonError::into_inner);
        // A process that ended by itself is seen by its keeper within a moment.
        pid.filter(|pid| is_alive(*pid))
    }

    fn order(&self, order: impl FnOnce(mpsc::Sender<Result<(), String>>) -> Order) -> mpsc::Receiver<Result<(), String>> {
        let (reply, done) = mpsc::channel();
        // A keeper's thread ends only with its orders.
        let _ = self.orders.send(order(reply));
        done
    }

    /// Starts the process; the answer comes when it is ready.
    pub(crate) fn start(&self) -> mpsc::Receiver<Result<(), String>> {
        self.order(Order::Start)
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill(&self) -> Result<(), String> {
        self.order(Order::Kill).recv().unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Asks the process to end, and ends it after a while.
    pub(crate) fn stop(&self) -> mpsc::Receiver<Result<(), String>> {
        self.order(Order::Stop)
    }
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // `pid (name) state ...`; a zombie is dead.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

fn keep(kind: &Kind, log: &PathBuf, pid: &Mutex<Option<u32>>, orders: &mpsc::Receiver<Order>) {
    let mut child: Option<Child> = None;
    let tell = |child: &Option<Child>| *pid.lock().unwrap_or_else(PoisonError::into_inner) = child.as_ref().map(Child::id);
    while let Ok(order) = orders.recv() {
        match order {
            Order::Start(reply) => {
                let running = child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
                let done = match running {
                    true => Err("it runs already".to_owned()),
                    false => start(kind, log, &mut child, || tell(&None)),
                };
                tell(&child);
                if done.is_ok() || child.is_none() {
                    let _ = reply.send(done);
                    continue;
                }
                let _ = reply.send(done);
            }
            Order::Kill(reply) => {
                let done = match &mut child {
                    Some(running) => end(running, kind, Signal::KILL),
                    None => Err("it does not run".to_owned()),
                };
                child = None;
                tell(&child);
                let _ = reply.send(done);
            }
            Order::Stop(reply) => {
                if let Some(running) = &mut child {
                    let signal = if matches!(kind, Kind::Postgres { .. }) { Signal::INT } else { Signal::TERM };
                    let _ = end(running, kind, signal);
                }
                child = None;
                tell(&child);
                let _ = reply.send(Ok(()));
            }
        }
    }
}

fn start(kind: &Kind, log: &PathBuf, child: &mut Option<Child>, starting: impl Fn()) -> Result<(), String> {
    starting();
    if fs::metadata(log).is_ok_and(|found| found.len() > MAX_LOG_BYTES) {
        fs::remove_file(log).map_err(|error| error.to_string())?;
    }
    match kind {
        Kind::Postgres { directory, port, password } => {
            let server = Postgres::start(directory, *port, password, log).map_err(|error| error.to_string())?;
            *child = Some(server.child);
            Ok(())
        }
        Kind::Redis { directory, port } => {
            let server = Redis::start(directory, *port, log).map_err(|error| error.to_string())?;
            *child = Some(server.child);
            Ok(())
        }
        Kind::Service(service, programs) => {
            let output = fs::OpenOptions::new().create(true).append(true).open(log).map_err(|error| error.to_string())?;
            let errors = output.try_clone().map_err(|error| error.to_string())?;
            let mut command = guarded(&programs.path(service.program), None, "KILL");
            command.args(&service.arguments);
            command.envs(service.environment.iter().map(|(name, value)| (name, value)));
            command.stdin(Stdio::null()).stdout(output).stderr(errors);
            let started = child.insert(command.spawn().map_err(|error| error.to_string())?);
            let ready = readiness::wait(&service.admin, || matches!(started.try_wait(), Ok(None)));
            ready.map_err(|error| format!("{error}; see {}", log.display()))
        }
    }
}

/// Sends a signal and waits for the end; past the limit, SIGKILL. PostgreSQL's own children go with it.
fn end(child: &mut Child, kind: &Kind, signal: Signal) -> Result<(), String> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    let descendants =
        if matches!(kind, Kind::Postgres { .. }) && signal == Signal::KILL { children_of(child.id()) } else { Vec::new() };
    kill_process(pid, signal).map_err(|error| error.to_string())?;
    for descendant in descendants {
        if let Some(pid) = i32::try_from(descendant).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let began = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if began.elapsed() > STOP_LIMIT {
            child.kill().map_err(|error| error.to_string())?;
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn children_of(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}
