//! Asking every process at once, each with a deadline: one that is dead, stopped or cut off is told as such and holds nobody up.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use deploy_api::{Control, HoldView, Process, ProcessFault, ProcessKind, Topology};
use fault_proxy::{Condition, FaultView, ProxyClient};
use futures_util::{StreamExt, future::join_all};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    metrics::Samples,
    picture::{FaultNow, Presence},
    reading::{Reading, Said},
};
use crate::fault::{Admin, Heard, probe};

/// Between two looks.
pub const PERIOD: Duration = Duration::from_secs(1);

/// Longest wait for one process. Less than the period, so that looks do not fall behind.
const LIMIT: Duration = Duration::from_millis(800);

/// The metrics of one process: some 50 KB.
const MAX_METRICS_BYTES: usize = 4 * 1024 * 1024;

/// What the supervisor and the proxy are asked.
struct Broken {
    topology: Topology,
    holds: Vec<HoldView>,
    token: String,
}

/// Looks at one topology, again and again.
pub struct Collector {
    file: PathBuf,
    http: reqwest::Client,
    topology: Topology,
    admin: Admin,
    token: Option<String>,
    /// A question that the supervisor has not answered yet: it is asked one at a time.
    asked: Option<oneshot::Receiver<Result<Broken, String>>>,
    began: Instant,
}

impl Collector {
    /// Fails with what to do when there is no such topology.
    pub fn open(topology_file: &Path) -> anyhow::Result<Self> {
        let topology = Topology::read(topology_file)?;
        let http = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
        let admin = Admin::new(&topology)?;
        Ok(Self { file: topology_file.to_owned(), http, topology, admin, token: None, asked: None, began: Instant::now() })
    }

    /// One look. It takes about as long as the slowest answer, and never longer than its deadline.
    pub async fn look(&mut self) -> Reading {
        let mut complaints = Vec::new();
        let topology = self.topology.clone();
        let (http, admin) = (self.http.clone(), self.admin.clone());
        let processes = join_all(topology.processes.iter().map(|process| ask(&http, &admin, process)));
        let (said, holds, links) =
            tokio::join!(processes, broken(&mut self.asked, &self.file), links(&topology, self.token.as_deref()));
        let mut faults = Vec::new();
        match holds {
            Ok(broken) => {
                faults.extend(broken.holds.iter().map(held));
                (self.topology, self.token) = (broken.topology, Some(broken.token));
            }
            Err(why) => {
                complaints.push(format!("faults of processes are not known: {why}"));
                // Without a supervisor the file is what tells who ran.
                self.topology = Topology::read(&self.file).unwrap_or(topology);
            }
        }
        match links {
            Ok(links) => faults.extend(links.iter().map(bad)),
            Err(why) => complaints.push(format!("faults of links are not known: {why:#}")),
        }
        Reading {
            at_ms: millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()),
            steady_ms: millis(self.began.elapsed()),
            topology: self.topology.clone(),
            said: self.with_those_that_do_not_run(said),
            faults,
            complaints,
        }
    }

    /// Silence of a process that the supervisor knows not to run is no riddle.
    fn with_those_that_do_not_run(&self, said: Vec<(String, Said)>) -> BTreeMap<String, Said> {
        let runs = |name: &str| self.topology.process(name).is_none_or(|process| process.pid.is_some());
        let known = |(name, said): (String, Said)| {
            let presence = if said.presence == Presence::Silent && !runs(&name) { Presence::Down } else { said.presence };
            (name, Said { presence, ..said })
        };
        said.into_iter().map(known).collect()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

async fn ask(http: &reqwest::Client, admin: &Admin, process: &Process) -> (String, Said) {
    let said = match &process.admin {
        Some(port) => {
            let view = async {
                match process.kind {
                    ProcessKind::Inventory => timeout(LIMIT, admin.view_of(&process.http)).await.ok()?.ok(),
                    _ => None,
                }
            };
            let (metrics, ready, view) = tokio::join!(metrics(http, port), ready(http, port), view);
            let presence = ready.unwrap_or(if metrics.is_ok() { Presence::Up } else { Presence::Silent });
            // A node that tells its metrics and no view is not to be counted on.
            let deaf = process.kind == ProcessKind::Inventory && view.is_none() && presence == Presence::Up;
            Said { presence: if deaf { Presence::NotReady } else { presence }, view, metrics: metrics.ok() }
        }
        // No HTTP: whether anybody ends a connection that says nothing.
        None => {
            let presence = match probe(&process.http, LIMIT).await {
                Heard::Answer(_) | Heard::Reset => Presence::Up,
                Heard::Refused => Presence::Down,
                Heard::Silence => Presence::Silent,
            };
            Said { presence, view: None, metrics: None }
        }
    };
    (process.name.clone(), said)
}

/// `None` where it cannot be told.
async fn ready(http: &reqwest::Client, admin: &str) -> Option<Presence> {
    match http.get(format!("http://{admin}/readyz")).send().await {
        Ok(answer) => Some(if answer.status().is_success() { Presence::Up } else { Presence::NotReady }),
        Err(error) if error.is_connect() && !error.is_timeout() => Some(Presence::Down),
        Err(_) => None,
    }
}

/// What a process tells at its admin port, up to a bound.
pub(crate) async fn metrics(http: &reqwest::Client, admin: &str) -> anyhow::Result<Samples> {
    let answer = http.get(format!("http://{admin}/metrics")).send().await?.error_for_status()?;
    let (mut text, mut body) = (Vec::new(), answer.bytes_stream());
    while let Some(piece) = body.next().await {
        text.extend_from_slice(&piece?);
        ensure!(text.len() <= MAX_METRICS_BYTES, "more than {MAX_METRICS_BYTES} bytes of metrics");
    }
    Ok(Samples::parse(&String::from_utf8(text)?)?)
}

/// Its port is asked in a thread, because the client blocks; one that answers late is heard in a later look.
async fn broken(asked: &mut Option<oneshot::Receiver<Result<Broken, String>>>, file: &Path) -> Result<Broken, String> {
    let mut waiting = asked.take().unwrap_or_else(|| {
        let (tell, hear) = oneshot::channel();
        let file = file.to_owned();
        std::thread::spawn(move || drop(tell.send(ask_supervisor(&file).map_err(|error| format!("{error:#}")))));
        hear
    });
    match timeout(LIMIT, &mut waiting).await {
        Ok(answer) => answer.unwrap_or_else(|_| Err("the question was lost".to_owned())),
        Err(_) => {
            *asked = Some(waiting);
            Err("the supervisor does not answer".to_owned())
        }
    }
}

fn ask_supervisor(file: &Path) -> anyhow::Result<Broken> {
    let name = file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let control = Control::open(&Control::file_beside(file), &name)?;
    Ok(Broken { topology: control.status()?, holds: control.holds()?, token: control.token().to_owned() })
}

async fn links(topology: &Topology, token: Option<&str>) -> anyhow::Result<Vec<FaultView>> {
    // The token comes with the supervisor's first answer.
    let (Some(link), Some(token)) = (topology.links.first(), token) else { return Ok(Vec::new()) };
    let proxy = ProxyClient::new(&link.control, token)?;
    Ok(timeout(LIMIT, proxy.faults()).await.context("the fault proxy does not answer")??)
}

fn held(hold: &HoldView) -> FaultNow {
    let what = match hold.fault {
        ProcessFault::Down => "killed".to_owned(),
        ProcessFault::Paused => "paused".to_owned(),
        ProcessFault::Slow { stopped_percent } => format!("stopped {stopped_percent} % of the time"),
        ProcessFault::SlowStart { stopped_percent } => format!("started slowly, stopped {stopped_percent} % of the time"),
        ProcessFault::Clock { offset_ms } => format!("clock off by {offset_ms} ms"),
        ProcessFault::DiskFull => "disk full".to_owned(),
        ProcessFault::SyncFails => "syncs fail".to_owned(),
        ProcessFault::Demoted => "without its vote".to_owned(),
    };
    FaultNow { id: hold.id.clone(), what, at: hold.processes.clone(), left_ms: hold.left_ms }
}

fn bad(fault: &FaultView) -> FaultNow {
    FaultNow { id: fault.id.clone(), what: words(&fault.condition), at: fault.links.clone(), left_ms: fault.left_ms }
}

fn words(condition: &Condition) -> String {
    let mut words = Vec::new();
    for (arrow, way) in [("there", condition.forward), ("back", condition.backward)] {
        let slow = way.latency_us > 0 || way.jitter_us > 0;
        let rate = way.bytes_per_s.map(|rate| format!("{rate} B/s {arrow}"));
        words.extend(way.black_hole.then(|| format!("nothing gets {arrow}")));
        words.extend(slow.then(|| format!("{} ms later {arrow}", (way.latency_us + way.jitter_us / 2) / 1_000)));
        words.extend(rate);
    }
    words.extend(condition.reset.then(|| "connections are reset".to_owned()));
    words.extend(condition.refuse.then(|| "connections are refused".to_owned()));
    words.join(", ")
}
