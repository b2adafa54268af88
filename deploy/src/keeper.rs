//! One thread for each process: it starts the process and stays, because the kernel ends a child when the *thread* that started it ends.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use backing_servers::{Etcd, Haproxy, Patroni, Postgres, Redis, guarded};
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
    Patroni(Box<Patroni>),
    Etcd(Box<Etcd>),
    Haproxy(Box<Haproxy>),
    Redis { directory: PathBuf, port: u16 },
}

/// When a start is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// It can do its work.
    Ready,
    /// It runs; others must run before it can work.
    Alive,
}

enum Order {
    Start(Until, mpsc::Sender<Result<(), String>>),
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
        pid.filter(|pid| deploy_api::started(*pid).is_some())
    }

    fn order(&self, order: impl FnOnce(mpsc::Sender<Result<(), String>>) -> Order) -> mpsc::Receiver<Result<(), String>> {
        let (reply, done) = mpsc::channel();
        // A keeper's thread ends only with its orders.
        let _ = self.orders.send(order(reply));
        done
    }

    /// Starts the process; the answer comes when it is as far as `until`.
    pub(crate) fn start(&self, until: Until) -> mpsc::Receiver<Result<(), String>> {
        self.order(|reply| Order::Start(until, reply))
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill(&self) -> mpsc::Receiver<Result<(), String>> {
        self.order(Order::Kill)
    }

    /// Asks the process to end, and ends it after a while.
    pub(crate) fn stop(&self) -> mpsc::Receiver<Result<(), String>> {
        self.order(Order::Stop)
    }
}

fn keep(kind: &Kind, log: &PathBuf, pid: &Mutex<Option<u32>>, orders: &mpsc::Receiver<Order>) {
    let mut child: Option<Child> = None;
    let tell = |child: &Option<Child>| *pid.lock().unwrap_or_else(PoisonError::into_inner) = child.as_ref().map(Child::id);
    while let Ok(order) = orders.recv() {
        match order {
            Order::Start(until, reply) => {
                let running = child.as_mut().is_some_and(is_running);
                let done = match running {
                    true => Err("it runs already".to_owned()),
                    false => {
                        tell(&None);
                        start(kind, log, &mut child, pid, until)
                    }
                };
                tell(&child);
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

/// A process that ends itself may have threads that still wait for a disk: its first thread is gone, nobody takes it for running, and the kernel
/// does not let it be replaced yet.
fn is_running(child: &mut Child) -> bool {
    let began = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if deploy_api::started(child.id()).is_some() || began.elapsed() > STOP_LIMIT {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

fn start(kind: &Kind, log: &PathBuf, child: &mut Option<Child>, pid: &Mutex<Option<u32>>, until: Until) -> Result<(), String> {
    if fs::metadata(log).is_ok_and(|found| found.len() > MAX_LOG_BYTES) {
        fs::remove_file(log).map_err(|error| error.to_string())?;
    }
    // A server that listens runs; who else must be asked, and for what, before it can work.
    let mut asks: Option<(String, &str)> = None;
    let local = |port: u16| format!("127.0.0.1:{port}");
    let failed = |error: backing_servers::ServerError| error.to_string();
    let started = match kind {
        Kind::Postgres { directory, port, password } => Postgres::start(directory, *port, password, log).map_err(failed)?.child,
        Kind::Redis { directory, port } => Redis::start(directory, *port, log).map_err(failed)?.child,
        Kind::Patroni(member) => {
            asks = Some((local(member.rest), "/readiness"));
            member.start(log).map_err(failed)?
        }
        Kind::Etcd(member) => {
            asks = Some((local(member.client), "/health"));
            member.start(log).map_err(failed)?
        }
        Kind::Haproxy(proxy) => {
            asks = Some((local(proxy.admin), "/readyz"));
            proxy.start(log).map_err(failed)?
        }
        Kind::Service(service, programs) => {
            asks = Some((service.admin.clone(), if until == Until::Alive { "/livez" } else { "/readyz" }));
            spawn(service, programs, log).map_err(|error| error.to_string())?
        }
    };
    let started = child.insert(started);
    // It may be slowed from its first moment, long before it is ready.
    *pid.lock().unwrap_or_else(PoisonError::into_inner) = Some(started.id());
    let waits = until == Until::Ready || matches!(kind, Kind::Service(..));
    let Some((address, path)) = asks.filter(|_| waits) else { return Ok(()) };
    let ready = readiness::wait(&address, path, || matches!(started.try_wait(), Ok(None)));
    ready.map_err(|error| format!("{error}; see {}", log.display()))
}

fn spawn(service: &Service, programs: &Programs, log: &PathBuf) -> std::io::Result<Child> {
    let output = fs::OpenOptions::new().create(true).append(true).open(log)?;
    let errors = output.try_clone()?;
    let mut command = guarded(&programs.path(service.program), None, "KILL");
    command.args(&service.arguments);
    command.envs(service.environment.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    command.spawn()
}

/// Sends a signal and waits for the end; past the limit, SIGKILL.
fn end(child: &mut Child, kind: &Kind, signal: Signal) -> Result<(), String> {
    if signal == Signal::KILL {
        return kill(child, kind);
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("no process id")?;
    kill_process(pid, signal).map_err(|error| error.to_string())?;
    let began = Instant::now();
    while matches!(child.try_wait(), Ok(None)) {
        if began.elapsed() > STOP_LIMIT {
            return kill(child, kind);
        }
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

/// SIGKILL to the process, and to what would go on without it: PostgreSQL's own processes, and the PostgreSQL of a Patroni.
fn kill(child: &mut Child, kind: &Kind) -> Result<(), String> {
    let descendants = match kind {
        Kind::Postgres { .. } => children_of(child.id()),
        Kind::Patroni(member) => {
            let postmaster = member.postmaster();
            postmaster.into_iter().chain(postmaster.into_iter().flat_map(children_of)).collect()
        }
        _ => Vec::new(),
    };
    child.kill().map_err(|error| error.to_string())?;
    for descendant in descendants {
        if let Some(pid) = i32::try_from(descendant).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    child.wait().map(drop).map_err(|error| error.to_string())
}

fn children_of(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}
