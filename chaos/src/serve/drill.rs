//! Running a drill: a program of its own, so that what goes wrong in it heals by its leases and takes nobody along.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chaos_api::{Drill, Order, Run, Runs};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::ledger::{Ledger, Refused};

/// Longest drill: a night. Then it is asked to end.
const LONGEST: Duration = Duration::from_secs(12 * 3_600);

/// Longest wait for a drill that was asked to end: it heals, audits and writes its report. Then it is killed, and its leases end.
/// Less than the 35 s after which a supervisor kills the controller.
const ENDS_WITHIN: Duration = Duration::from_secs(30);

/// What is shown of what a drill said: some 40 lines.
const SAID_BYTES: u64 = 4 * 1024;

/// How a drill is run.
#[derive(Clone, Debug)]
pub struct Programme {
    /// `chaos`: called with `drill NAME --topology FILE --out DIRECTORY`, and `--region` where one was asked for.
    pub program: PathBuf,
    pub topology_file: PathBuf,
    /// Each run has a directory below it.
    pub directory: PathBuf,
    pub drills: Vec<Drill>,
}

pub(super) struct Drills {
    programme: Programme,
    ledger: Mutex<Ledger>,
    /// Counts changes of the ledger.
    changes: watch::Sender<u64>,
    /// Of the run that began last.
    stop: Mutex<CancellationToken>,
    work: TaskTracker,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error("the drill cannot be started: {0}")]
    Io(#[from] io::Error),
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Drills {
    pub(super) fn new(programme: Programme, work: TaskTracker) -> Self {
        let (changes, _) = watch::channel(0);
        Self { programme, ledger: Mutex::default(), changes, stop: Mutex::default(), work }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|change| *change += 1);
    }

    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn runs(&self) -> Runs {
        Runs { runs: self.ledger().runs(), drills: self.programme.drills.clone() }
    }

    /// Begins one. It goes on when nobody looks.
    pub(super) fn start(self: &std::sync::Arc<Self>, order: &Order) -> Result<Run, StartError> {
        let began = now_ms();
        let directory = |id: u64| self.programme.directory.join(format!("{began}-{id}-{}", order.drill));
        let stop = CancellationToken::new();
        let run = {
            let mut ledger = self.ledger();
            let run = ledger.begin(order, began, |id| directory(id).to_string_lossy().into_owned())?;
            *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = stop.clone();
            run
        };
        self.changed();
        let directory = directory(run.id);
        let child = match self.spawn(order, &directory) {
            Ok(child) => child,
            Err(error) => {
                self.ledger().end(run.id, Some(1), now_ms(), error.to_string());
                self.changed();
                return Err(error.into());
            }
        };
        tracing::info!(run = run.id, drill = order.drill, region = order.region, report = run.report, "a drill begins");
        let (drills, id) = (self.clone(), run.id);
        self.work.spawn(async move { drills.follow(id, child, stop, &directory).await });
        Ok(run)
    }

    fn spawn(&self, order: &Order, directory: &Path) -> io::Result<Child> {
        fs::create_dir_all(directory)?;
        let log = File::create(log_of(directory))?;
        let mut command = Command::new(&self.programme.program);
        command.arg("drill").arg(&order.drill).arg("--topology").arg(&self.programme.topology_file).arg("--out").arg(directory);
        if let Some(region) = &order.region {
            command.args(["--region", region]);
        }
        // A group of its own: a Ctrl-C at the controller comes to it once, by way of `end`.
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0).spawn()
    }

    async fn follow(&self, id: u64, mut child: Child, stop: CancellationToken, directory: &Path) {
        let over = tokio::select! {
            ended = child.wait() => Some(ended),
            () = stop.cancelled() => None,
            () = tokio::time::sleep(LONGEST) => None,
        };
        let ended = match over {
            Some(ended) => ended,
            None => end(&mut child).await,
        };
        let exit_code = ended.ok().and_then(|status| status.code());
        let said = tail(&log_of(directory)).unwrap_or_default();
        self.ledger().end(id, exit_code, now_ms(), said);
        tracing::info!(run = id, exit_code, "a drill ended");
        self.changed();
    }

    /// Asks the one that runs to end; whether there is one.
    pub(super) fn stop(&self) -> bool {
        let mut ledger = self.ledger();
        let was_there = ledger.stop();
        if was_there {
            self.stop.lock().unwrap_or_else(PoisonError::into_inner).cancel();
            drop(ledger);
            self.changed();
        }
        was_there
    }
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("drill.log")
}

/// As Ctrl-C would: whoever breaks something heals it then.
async fn end(child: &mut Child) -> io::Result<std::process::ExitStatus> {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
        kill_process(pid, Signal::INT)?;
    }
    match timeout(ENDS_WITHIN, child.wait()).await {
        Ok(ended) => ended,
        Err(_) => {
            child.kill().await?;
            child.wait().await
        }
    }
}

/// The end of what was said, from the first whole line on.
fn tail(log: &Path) -> io::Result<String> {
    let mut file = File::open(log)?;
    let skipped = file.metadata()?.len().saturating_sub(SAID_BYTES);
    file.seek(SeekFrom::Start(skipped))?;
    let mut bytes = Vec::new();
    file.take(SAID_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Ok(match (skipped > 0).then(|| text.split_once('\n')).flatten() {
        Some((_, whole)) => whole.to_owned(),
        None => text,
    })
}
