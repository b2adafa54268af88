//! Starts a topology, keeps its processes, answers the control port, stops everything.

use std::{
    collections::BTreeMap,
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::Duration,
};

use anyhow::{Context, bail};
use backing_servers::{Postgres, ensure_installed, ensure_replication_installed};
use deploy_api::{Link, Process, ProcessKind, TlsFiles, Topology};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    build::Programs,
    certificates::Certificates,
    commands::{self, Plan, Service},
    control,
    database::{self, Member},
    guardian::Guardian,
    keeper::{Keeper, Kind, Until},
    plan::Place,
    quorum,
    secrets::Secrets,
    topology::Spec,
};

const POLL: Duration = Duration::from_millis(50);

/// What a process waits for when everything starts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wave {
    /// What the others are led through.
    First,
    Alone,
    Postgres,
    NeedsDatabase,
}

/// A process on its way.
struct Starting {
    name: String,
    started: mpsc::Receiver<Result<(), String>>,
}

impl Starting {
    fn wait(self) -> anyhow::Result<()> {
        self.started.recv()?.map_err(|error| anyhow::anyhow!("{}: {error}", self.name))
    }
}

struct Kept {
    process: Process,
    keeper: Keeper,
}

struct Inner {
    place: Place,
    secrets: Secrets,
    kept: BTreeMap<String, Kept>,
    /// In the order of `status`.
    order: Vec<String>,
    databases: BTreeMap<String, String>,
    programs: Programs,
    locations: Vec<String>,
    inventory_tls: Option<TlsFiles>,
    links: Vec<Link>,
    has_fault_points: bool,
    guardian: Guardian,
    stopping: AtomicBool,
    /// One change of a process at a time.
    changing: Mutex<()>,
}

/// A running topology. Its processes end with it.
#[derive(Clone)]
pub struct Supervisor(Arc<Inner>);

impl Supervisor {
    /// Starts every process, in parallel, and returns when all are ready.
    pub fn start(place: Place, spec: &Spec, programs: Programs) -> anyhow::Result<Self> {
        match spec.postgres {
            Some(_) => ensure_replication_installed(|text| eprintln!("{text}"))?,
            None => ensure_installed(|text| eprintln!("{text}"))?,
        }
        place.make()?;
        if place.control().is_ok() {
            bail!(
                "{:?} is up already; `cargo deploy down --name {}` stops it, --name starts another one",
                place.name,
                place.name
            );
        }
        let secrets = Secrets::load_or_make(&place.data_of(""))?;
        let key = Secrets::ticket_key(&place.data_of(""))?;
        let certificates = Certificates::open(&place, spec.inventory.plaintext)?;
        let plan = commands::plan(&place, spec, &secrets, &certificates, key)?;
        let inner = Inner { inventory_tls: certificates.operator()?, ..keepers(place, spec, secrets, plan, programs)? };
        let supervisor = Self(Arc::new(inner));
        supervisor.start_all()?;
        supervisor.write_topology()?;
        Guardian::watch(supervisor.clone())?;
        control::listen(supervisor.clone())?;
        Ok(supervisor)
    }

    fn start_all(&self) -> anyhow::Result<()> {
        let progress = ProgressBar::new(self.0.order.len() as u64);
        progress.set_style(ProgressStyle::with_template("{spinner} {msg:24} {pos}/{len} {bar:30}")?);
        progress.set_message("starting");
        progress.enable_steady_tick(Duration::from_millis(100));
        let of = |kind: ProcessKind| match kind {
            ProcessKind::Links => Wave::First,
            ProcessKind::Postgres => Wave::Postgres,
            ProcessKind::Catalog | ProcessKind::Orders => Wave::NeedsDatabase,
            _ => Wave::Alone,
        };
        let wave = |wanted: Wave| self.0.order.iter().filter(move |name| of(self.0.kept[*name].process.kind) == wanted);
        for name in wave(Wave::First) {
            self.begin(name, Until::Ready).wait()?;
            progress.inc(1);
        }
        let mut waiting: Vec<Starting> = wave(Wave::Alone).map(|name| self.begin(name, Until::Ready)).collect();
        let members: Vec<Member> = wave(Wave::Postgres).map(|name| Member::of(&self.0.kept[name].process)).collect();
        let mut servers = wave(Wave::Postgres);
        if members.iter().all(Member::is_new) {
            // A new cluster begins with its first member; later, who was primary last takes the lead again.
            let first = self.begin(servers.next().context("no PostgreSQL in the plan")?, Until::Ready);
            first.wait()?;
            progress.inc(1);
        }
        waiting.extend(servers.map(|name| self.begin(name, Until::Ready)));
        let primary = database::wait_for_primary(&members, &self.0.secrets.postgres)?;
        self.make_databases(primary)?;
        waiting.extend(wave(Wave::NeedsDatabase).map(|name| self.begin(name, Until::Ready)));
        for starting in waiting {
            progress.set_message(format!("waiting for {}", starting.name));
            starting.wait()?;
            progress.inc(1);
        }
        database::wait_for_standby(&members)?;
        progress.finish_and_clear();
        Ok(())
    }

    fn begin(&self, name: &str, until: Until) -> Starting {
        Starting { name: name.to_owned(), started: self.0.kept[name].keeper.start(until) }
    }

    /// A role and a database of its own for each service.
    fn make_databases(&self, port: u16) -> anyhow::Result<()> {
        let secrets = &self.0.secrets;
        for (name, password) in [("catalog", &secrets.catalog), ("orders", &secrets.orders)] {
            let ask = |sql: String| Postgres::query(port, &secrets.postgres, &sql);
            if ask(format!("select 1 from pg_roles where rolname = '{name}'"))?.is_empty() {
                ask(format!("create role {name} login password '{password}'"))?;
            }
            if ask(format!("select 1 from pg_database where datname = '{name}'"))?.is_empty() {
                ask(format!("create database {name} owner {name}"))?;
            }
        }
        Ok(())
    }

    /// What runs where, now.
    pub fn topology(&self) -> Topology {
        let process = |name: &String| {
            let kept = &self.0.kept[name];
            Process { pid: kept.keeper.pid(), ..kept.process.clone() }
        };
        Topology {
            name: self.0.place.name.clone(),
            supervisor_pid: std::process::id(),
            supervisor_started: deploy_api::started(std::process::id()).unwrap_or_default(),
            processes: self.0.order.iter().map(process).collect(),
            links: self.0.links.clone(),
            databases: self.0.databases.clone(),
            inventory_tls: self.0.inventory_tls.clone(),
        }
    }

    fn write_topology(&self) -> anyhow::Result<()> {
        let file = self.0.place.topology_file();
        let temporary = file.with_extension("tmp");
        crate::secrets::write_private(&temporary, &serde_json::to_vec_pretty(&self.topology())?)?;
        fs::rename(&temporary, &file).with_context(|| file.display().to_string())
    }

    fn kept(&self, name: &str) -> anyhow::Result<&Kept> {
        let known = || self.0.order.join(", ");
        self.0.kept.get(name).with_context(|| format!("there is no process {name:?}; there are {}", known()))
    }

    /// `kill -9`.
    pub fn kill(&self, name: &str) -> anyhow::Result<()> {
        self.kill_all(&[name.to_owned()])
    }

    /// `kill -9` of several at once.
    pub fn kill_all(&self, names: &[String]) -> anyhow::Result<()> {
        let _one = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = names.iter().map(|name| self.kept(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let killed: Vec<_> = kept.iter().map(|kept| kept.keeper.kill()).collect();
        for (name, killed) in names.iter().zip(killed) {
            killed.recv()?.map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        }
        self.write_topology()
    }

    /// Starts a process that does not run, and waits until it is ready.
    pub fn start_process(&self, name: &str) -> anyhow::Result<()> {
        self.start_all_of(&[name.to_owned()]).map(drop)
    }

    /// Starts processes that do not run, at once, and waits until they are ready. Gives those that cannot be yet, because too few of the
    /// processes that they need run; they only run.
    pub fn start_all_of(&self, names: &[String]) -> anyhow::Result<Vec<String>> {
        let _one = self.0.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = Vec::new();
        for name in names {
            running.push(self.kept(name)?.process.kind);
        }
        let runs = |name: &&String| !names.contains(name) && self.0.kept[*name].keeper.pid().is_some();
        running.extend(self.0.order.iter().filter(runs).map(|name| self.0.kept[name].process.kind));
        let all: Vec<ProcessKind> = self.0.kept.values().map(|kept| kept.process.kind).collect();
        let can_work = |name: &&String| quorum::can_work(self.0.kept[*name].process.kind, &running, &all);
        let (ready, early): (Vec<&String>, Vec<&String>) = names.iter().partition(can_work);
        let until = |names: &[&String], until| names.iter().map(|name| self.begin(name, until)).collect::<Vec<_>>();
        let waiting = until(&ready, Until::Ready).into_iter().chain(until(&early, Until::Alive)).collect::<Vec<_>>();
        let started: Vec<anyhow::Result<()>> = waiting.into_iter().map(Starting::wait).collect();
        self.write_topology()?;
        started.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(early.into_iter().cloned().collect())
    }

    /// Starts processes that do not run, and waits for none of them.
    pub(crate) fn begin_all(&self, names: &[String]) -> anyhow::Result<()> {
        names.iter().try_for_each(|name| self.kept(name).map(|kept| drop(kept.keeper.start(Until::Alive))))
    }

    /// Stops everything in the order in which nothing is missed: edges, services, inventory, then the servers they need.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
        self.0.guardian.release(self);
        let waves: [&[ProcessKind]; 7] = [
            &[ProcessKind::Drills],
            &[ProcessKind::Edge],
            &[ProcessKind::Orders, ProcessKind::Catalog],
            &[ProcessKind::Inventory, ProcessKind::Payments, ProcessKind::Haproxy],
            &[ProcessKind::Postgres, ProcessKind::Redis],
            &[ProcessKind::Etcd],
            &[ProcessKind::Links],
        ];
        for wave in waves {
            let of_wave = self.0.kept.values().filter(|kept| wave.contains(&kept.process.kind));
            let stopping: Vec<_> = of_wave.map(|kept| kept.keeper.stop()).collect();
            for stopped in stopping {
                let _ = stopped.recv();
            }
        }
        let _ = fs::remove_file(self.0.place.control_file());
        let _ = self.write_topology();
    }

    pub(crate) fn ask_to_stop(&self) {
        self.0.stopping.store(true, Ordering::Release);
    }

    pub(crate) fn place(&self) -> &Place {
        &self.0.place
    }

    pub(crate) fn guardian(&self) -> &Guardian {
        &self.0.guardian
    }

    /// Whether disks and clocks can be hurt.
    pub(crate) fn has_fault_points(&self) -> bool {
        self.0.has_fault_points
    }

    pub(crate) fn secrets(&self) -> &Secrets {
        &self.0.secrets
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.0.programs
    }

    /// Stock locations, one for each region.
    pub(crate) fn locations(&self) -> &[String] {
        &self.0.locations
    }

    pub(crate) fn front_door(&self) -> String {
        crate::show::front_door(&self.topology())
    }

    /// Lets the control port say that the topology is ready for its users.
    pub(crate) fn announce_ready(&self) -> anyhow::Result<()> {
        control::announce(&self.0.place)
    }
}

fn keepers(place: Place, spec: &Spec, secrets: Secrets, plan: Plan, programs: Programs) -> anyhow::Result<Inner> {
    let (mut kept, mut order) = (BTreeMap::new(), Vec::new());
    let mut add = |process: Process, kind: Kind| -> anyhow::Result<()> {
        let keeper = Keeper::new(&process.name, kind, place.log_of(&process.name))?;
        order.push(process.name.clone());
        kept.insert(process.name.clone(), Kept { process, keeper });
        Ok(())
    };
    let server = |name: &str, kind, region: &str, port: u16, data: &PathBuf| Process {
        name: name.to_owned(),
        kind,
        region: region.to_owned(),
        pid: None,
        http: format!("127.0.0.1:{port}"),
        admin: None,
        data_dir: Some(data.clone()),
    };
    for (process, kind) in plan.database.processes(&place, &secrets)? {
        add(process, kind)?;
    }
    for (region, port) in plan.redis {
        let name = format!("redis-{region}");
        let data = place.data_of(&name);
        add(server(&name, ProcessKind::Redis, &region, port, &data), Kind::Redis { directory: data.clone(), port })?;
    }
    for service in plan.services {
        add(process_of(&service), Kind::Service(Box::new(service), programs.clone()))?;
    }
    let port = plan.database.port_for(spec.catalog_region());
    let url = |name: &str, password: &str| (name.to_owned(), format!("postgres://{name}:{password}@127.0.0.1:{port}/{name}"));
    let databases = BTreeMap::from([url("catalog", &secrets.catalog), url("orders", &secrets.orders)]);
    let locations = spec.regions.iter().map(|region| region.location.clone()).collect();
    let (stopping, changing) = (AtomicBool::new(false), Mutex::new(()));
    Ok(Inner {
        place,
        secrets,
        kept,
        order,
        databases,
        programs,
        locations,
        inventory_tls: None,
        links: plan.links,
        has_fault_points: spec.fault_points,
        guardian: Guardian::default(),
        stopping,
        changing,
    })
}

fn process_of(service: &Service) -> Process {
    Process {
        name: service.name.clone(),
        kind: service.kind,
        region: service.region.clone(),
        pid: None,
        http: service.http.clone(),
        admin: Some(service.admin.clone()),
        data_dir: service.data_dir.clone(),
    }
}

/// Blocks until Ctrl-C, SIGTERM, or `cargo deploy down`.
pub(crate) fn wait_for_stop(supervisor: &Supervisor) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime
        .block_on(async {
            let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
            let mut look = tokio::time::interval(POLL);
            loop {
                tokio::select! {
                    _ = terminate.recv() => return Ok(()),
                    interrupted = tokio::signal::ctrl_c() => return interrupted,
                    _ = look.tick() => {
                        if supervisor.0.stopping.load(Ordering::Acquire) {
                            return Ok(());
                        }
                    }
                }
            }
        })
        .map_err(|error: io::Error| error.into())
}
