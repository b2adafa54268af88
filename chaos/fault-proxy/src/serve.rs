//! All links of one proxy, the faults that are held, and the process around them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use tokio::{net::TcpListener, sync::Notify, time::sleep_until};

use crate::{
    condition::Condition,
    control,
    lease::{Full, Leases},
    link::{Direction, Door, Shared, accept},
    wire::{Fault, FaultView, LinkSpec, LinkView},
};

/// With no fault to wait for, the links are looked at again after so long.
const IDLE_LOOK: Duration = Duration::from_secs(3_600);

/// Lead connections of a local topology over links that can be made bad.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "fault-proxy", version)]
pub struct Args {
    /// The links, a JSON list: name, from, to, listen, target, and base for how they are without faults
    #[arg(long)]
    pub links: PathBuf,
    /// Where faults are asked for; a loopback address
    #[arg(long)]
    pub control: SocketAddr,
    /// What the control port asks for as a bearer token
    #[arg(long, env = "FAULT_PROXY_TOKEN", hide_env_values = true)]
    pub token: String,
}

/// Why a fault was not set.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("there is no link {0:?}; GET /v1/links lists them")]
    UnknownLink(String),
    #[error("a fault is on one link at least")]
    NoLinks,
    #[error(transparent)]
    Full(#[from] Full),
}

/// The links of a proxy and what is wrong with them.
pub struct Links {
    links: BTreeMap<String, Arc<Shared>>,
    held: Mutex<Leases<Fault>>,
    began: Instant,
    changed: Notify,
}

impl Links {
    /// Opens every listener and accepts from now on. Must be called inside a runtime.
    pub fn open(specs: Vec<LinkSpec>) -> anyhow::Result<Arc<Self>> {
        let mut links = BTreeMap::new();
        for mut spec in specs {
            let refused = || format!("the link {} cannot listen on {}; is the port taken?", spec.name, spec.listen);
            let door = Door::open(spec.listen).with_context(refused)?;
            spec.listen = door.address();
            let shared = Shared::new(spec);
            ensure!(links.insert(shared.spec.name.clone(), shared.clone()).is_none(), "two links are {:?}", shared.spec.name);
            tokio::spawn(accept(door, shared));
        }
        let opened = Arc::new(Self { links, held: Mutex::default(), began: Instant::now(), changed: Notify::new() });
        tokio::spawn(opened.clone().expire());
        Ok(opened)
    }

    fn held(&self) -> MutexGuard<'_, Leases<Fault>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends what nobody renews, for ever.
    async fn expire(self: Arc<Self>) {
        loop {
            let next = self.held().iter().map(|(.., until)| until).min();
            let at = self.began + next.unwrap_or_else(|| self.began.elapsed() + IDLE_LOOK);
            tokio::select! {
                () = sleep_until(at.into()) => {}
                () = self.changed.notified() => {}
            }
            let mut held = self.held();
            let expired = held.expire(self.began.elapsed());
            for (id, _) in &expired {
                tracing::warn!(id, "nobody renewed the fault; it heals");
            }
            if !expired.is_empty() {
                self.apply(&held);
            }
        }
    }

    /// Puts every link into the condition that its faults give it.
    fn apply(&self, held: &Leases<Fault>) {
        let mut conditions: BTreeMap<&str, Condition> = BTreeMap::new();
        for (_, fault, _) in held.iter() {
            for name in &fault.links {
                let so_far = conditions.entry(name).or_default();
                *so_far = so_far.and(fault.condition);
            }
        }
        for (name, link) in &self.links {
            let wanted = link.spec.base.and(conditions.get(name.as_str()).copied().unwrap_or_default());
            link.condition.send_if_modified(|now| {
                let is_new = *now != wanted;
                *now = wanted;
                is_new
            });
        }
    }

    /// Sets a fault, or another one in its place, until its lease is over.
    pub fn set(&self, id: &str, fault: Fault) -> Result<(), Refused> {
        if let Some(unknown) = fault.links.iter().find(|name| !self.links.contains_key(*name)) {
            return Err(Refused::UnknownLink(unknown.clone()));
        }
        if fault.links.is_empty() {
            return Err(Refused::NoLinks);
        }
        // Named twice, a link would be twice as slow.
        let once: BTreeSet<String> = fault.links.into_iter().collect();
        let fault = Fault { links: once.into_iter().collect(), ..fault };
        let until = self.until(fault.lease_ms);
        let mut held = self.held();
        held.set(id, fault, until)?;
        self.apply(&held);
        self.changed.notify_one();
        Ok(())
    }

    fn until(&self, lease_ms: u64) -> Duration {
        self.began.elapsed() + Duration::from_millis(lease_ms)
    }

    /// Whether there is such a fault.
    pub(crate) fn renew(&self, id: &str, lease_ms: u64) -> bool {
        self.held().renew(id, self.until(lease_ms))
    }

    /// Whether there was such a fault.
    pub fn heal(&self, id: &str) -> bool {
        let mut held = self.held();
        let was = held.end(id).is_some();
        self.apply(&held);
        was
    }

    /// How many there were.
    pub(crate) fn heal_all(&self) -> usize {
        let mut held = self.held();
        let were = held.end_all().len();
        self.apply(&held);
        were
    }

    pub(crate) fn faults(&self) -> Vec<FaultView> {
        let now = self.began.elapsed();
        let view = |(id, fault, until): (&str, &Fault, Duration)| FaultView {
            id: id.to_owned(),
            links: fault.links.clone(),
            condition: fault.condition,
            left_ms: u64::try_from(until.saturating_sub(now).as_millis()).unwrap_or(u64::MAX),
        };
        self.held().iter().map(view).collect()
    }

    /// Every link as it is now.
    pub fn views(&self) -> Vec<LinkView> {
        use std::sync::atomic::Ordering::Relaxed;
        let held = self.held();
        let faults_of = |name: &str| {
            let on_it = held.iter().filter(|(_, fault, _)| fault.links.iter().any(|link| link == name));
            on_it.map(|(id, ..)| id.to_owned()).collect()
        };
        let view = |link: &Arc<Shared>| LinkView {
            name: link.spec.name.clone(),
            from: link.spec.from.clone(),
            to: link.spec.to.clone(),
            listen: link.spec.listen,
            target: link.spec.target,
            base: link.spec.base,
            now: *link.condition.borrow(),
            faults: faults_of(&link.spec.name),
            open_connections: link.open.load(Relaxed),
            accepted_connections: link.accepted.load(Relaxed),
            reset_connections: link.resets(),
            forward_bytes: link.bytes(Direction::Forward),
            backward_bytes: link.bytes(Direction::Backward),
            throttled: link.throttled.load(Relaxed),
        };
        self.links.values().map(view).collect()
    }
}

/// Runs until `stop` ends.
pub async fn run(args: Args, stop: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
    ensure!(args.control.ip().is_loopback(), "{} is no loopback address; faults are not for strangers", args.control);
    ensure!(!args.token.is_empty(), "the token is empty; set FAULT_PROXY_TOKEN");
    let text = fs::read(&args.links).with_context(|| format!("cannot read {}", args.links.display()))?;
    let specs = serde_json::from_slice(&text).with_context(|| format!("{} is no list of links", args.links.display()))?;
    let links = Links::open(specs)?;
    let refused = || format!("cannot listen on {}; is the port taken?", args.control);
    let listener = TcpListener::bind(args.control).await.with_context(refused)?;
    tracing::info!(control = %args.control, links = links.links.len(), "the links are open");
    // The links end with the process; nothing is drained, because nobody would know when it is enough.
    let served = axum::serve(listener, control::router(links, args.token)).into_future();
    tokio::select! {
        served = served => Ok(served?),
        () = stop => Ok(()),
    }
}
