//! Carrying a plan out: under leases that are renewed for as long as this program lives and wants the fault.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use deploy_api::{Control, Hold, HoldView, ProcessFault, Topology};
use fault_proxy::{FaultView, LinkView, ProxyClient};
use tokio::{
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use super::{
    admin::Admin,
    plan::Action,
    proof::{self, Baseline, Proof},
    snapshot::Snapshot,
};

/// Renewals in the time of one lease: two may be lost.
const RENEWALS: u32 = 3;

/// Longest lease that the proxy and the supervisor take.
const MAX_LEASE: Duration = deploy_api::MAX_LEASE;

/// The way to break a running topology.
#[derive(Clone)]
pub struct Injector {
    control: Control,
    proxy: Option<ProxyClient>,
    admin: Admin,
}

/// A fault that is in effect. Dropped, it is renewed no more and heals when its lease is over.
pub struct Injected {
    injector: Injector,
    id: String,
    action: Action,
    baseline: Baseline,
    renewer: Option<JoinHandle<()>>,
    lost: Arc<AtomicBool>,
    lease: Duration,
    began: Instant,
}

impl Drop for Injected {
    fn drop(&mut self) {
        if let Some(renewer) = &self.renewer {
            renewer.abort();
        }
    }
}

/// Names of a fault at each of the links' conditions; a partition in one direction has two.
fn parts(id: &str, action: &Action) -> Vec<String> {
    match action {
        Action::Links(conditions) => (0..conditions.len()).map(|nth| format!("{id}.{nth}")).collect(),
        _ => vec![id.to_owned()],
    }
}

fn millis(lease: Duration) -> u64 {
    u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)
}

impl Injector {
    /// Fails with what to do when the topology does not run.
    pub async fn open(topology_file: &Path) -> anyhow::Result<Self> {
        let name = topology_file.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
        let control = Control::open(&Control::file_beside(topology_file), &name)?;
        let topology = control.status()?;
        let proxy = topology.links.first().map(|link| ProxyClient::new(&link.control, control.token())).transpose()?;
        Ok(Self { admin: Admin::new(&topology)?, control, proxy })
    }

    async fn supervisor<T: Send + 'static>(
        &self,
        ask: impl FnOnce(Control) -> Result<T, deploy_api::ControlError> + Send + 'static,
    ) -> anyhow::Result<T> {
        let control = self.control.clone();
        Ok(spawn_blocking(move || ask(control)).await??)
    }

    pub async fn topology(&self) -> anyhow::Result<Topology> {
        self.supervisor(|control| control.status()).await
    }

    /// Who is there and who leads, now.
    pub async fn snapshot(&self) -> anyhow::Result<Snapshot> {
        let topology = self.topology().await?;
        let view = self.admin.view(&topology).await;
        let Some(view) = view else { return Ok(Snapshot::of(topology, None)) };
        let voters: Vec<String> = view.voters().map(|member| member.address.clone()).collect();
        let leader = view.leader.map(|leader| (leader.address, view.term));
        Ok(Snapshot::of(topology, leader).with_voters(&voters))
    }

    /// What is held now, by whomever.
    pub async fn active(&self) -> anyhow::Result<(Vec<HoldView>, Vec<FaultView>)> {
        let holds = self.supervisor(|control| control.holds()).await?;
        let faults = match &self.proxy {
            Some(proxy) => proxy.faults().await?,
            None => Vec::new(),
        };
        Ok((holds, faults))
    }

    pub(super) async fn links(&self) -> anyhow::Result<Vec<LinkView>> {
        Ok(self.proxy()?.links().await?)
    }

    pub(super) fn admin(&self) -> &Admin {
        &self.admin
    }

    fn proxy(&self) -> anyhow::Result<&ProxyClient> {
        self.proxy.as_ref().context("there are no links; start the topology with `cargo deploy up --links`")
    }

    /// Does what was planned. The fault heals `lease` after this program's last word.
    pub async fn inject(&self, id: &str, action: Action, lease: Duration) -> anyhow::Result<Injected> {
        ensure!(!lease.is_zero() && lease <= MAX_LEASE, "a lease is up to {} s", MAX_LEASE.as_secs());
        let baseline = Baseline::take(self, &action).await?;
        let lost = Arc::new(AtomicBool::new(false));
        let (injector, id_of, began) = (self.clone(), id.to_owned(), Instant::now());
        let mut injected = Injected { injector, id: id_of, action, baseline, renewer: None, lost: lost.clone(), lease, began };
        if let Err(error) = self.begin(id, &injected.action, lease).await {
            // Half of it may be there already.
            let _ = self.end(id, &injected.action).await;
            return Err(error);
        }
        if injected.lasts() {
            let (injector, id, action) = (self.clone(), id.to_owned(), injected.action.clone());
            injected.renewer = Some(tokio::spawn(async move { injector.renew(&id, &action, lease, &lost).await }));
        }
        Ok(injected)
    }

    async fn begin(&self, id: &str, action: &Action, lease: Duration) -> anyhow::Result<()> {
        match action {
            Action::Hold { processes, fault } => self.hold(id, processes.clone(), *fault, lease).await,
            Action::Links(conditions) => {
                for (name, of) in parts(id, action).into_iter().zip(conditions) {
                    let fault = fault_proxy::Fault { links: of.links.clone(), condition: of.condition, lease_ms: millis(lease) };
                    self.proxy()?.set(&name, &fault).await?;
                }
                Ok(())
            }
            Action::Restart { processes } => {
                for process in processes {
                    // Held, so that it starts again also when this program dies in between.
                    self.hold(id, vec![process.clone()], ProcessFault::Down, MAX_LEASE).await?;
                    self.end(id, action).await?;
                }
                Ok(())
            }
            Action::Transfer { to } => {
                let topology = self.topology().await?;
                let view = self.admin.view(&topology).await.context("no node of the inventory answers")?;
                let address = topology.process(to).map(|process| process.http.clone()).context("there is no such process")?;
                self.admin.transfer(&view, &address).await
            }
        }
    }

    async fn hold(&self, id: &str, processes: Vec<String>, fault: ProcessFault, lease: Duration) -> anyhow::Result<()> {
        let hold = Hold { id: id.to_owned(), processes, fault, lease_ms: millis(lease) };
        self.supervisor(move |control| control.hold(hold)).await
    }

    async fn renew(&self, id: &str, action: &Action, lease: Duration, lost: &AtomicBool) {
        let mut turns = tokio::time::interval(lease / RENEWALS);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick is at once.
        turns.tick().await;
        loop {
            turns.tick().await;
            lost.fetch_or(!self.is_there(id, action, lease).await, Ordering::Relaxed);
        }
    }

    /// Renews each part: whether all of them were there.
    async fn is_there(&self, id: &str, action: &Action, lease: Duration) -> bool {
        let mut all = true;
        for name in parts(id, action) {
            all &= match (&self.proxy, action) {
                (Some(proxy), Action::Links(_)) => proxy.renew(&name, lease).await.is_ok(),
                _ => self.supervisor(move |control| control.renew(&name, lease)).await.is_ok(),
            };
        }
        all
    }

    async fn end(&self, id: &str, action: &Action) -> anyhow::Result<()> {
        for name in parts(id, action) {
            match action {
                Action::Links(_) => self.proxy()?.heal(&name).await?,
                Action::Hold { .. } | Action::Restart { .. } => self.supervisor(move |control| control.heal(&name)).await?,
                Action::Transfer { .. } => {}
            }
        }
        Ok(())
    }

    /// Heals whatever anybody broke. It may be called at any time, any number of times.
    pub async fn heal_all(&self) -> anyhow::Result<()> {
        let links = match &self.proxy {
            Some(proxy) => proxy.heal_all().await.context("links"),
            None => Ok(()),
        };
        // Processes are healed also where the proxy is gone: it may be one of them.
        self.supervisor(|control| control.heal_all()).await?;
        match (&self.proxy, links) {
            (Some(proxy), Err(_)) => Ok(proxy.heal_all().await?),
            (_, links) => links,
        }
    }
}

impl Injected {
    /// When the fault was set, after a look at how it was before.
    pub fn began(&self) -> Instant {
        self.began
    }

    pub fn action(&self) -> &Action {
        &self.action
    }

    /// Tries for real whether the fault took effect.
    pub async fn proof(&self) -> anyhow::Result<Proof> {
        let proof = proof::prove(&self.injector, &self.action, &self.baseline).await?;
        Ok(if self.was_lost() { Proof::Missed("its lease was over before its time".to_owned()) } else { proof })
    }

    /// Whether a renewal failed, so that the fault may have healed before its time.
    fn was_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Whether it goes on until it is healed.
    fn lasts(&self) -> bool {
        matches!(self.action, Action::Hold { .. } | Action::Links(_))
    }

    /// Comes back when it is healed: whether it had been there until now. Between two renewals somebody else may have healed it.
    pub async fn heal(mut self) -> anyhow::Result<bool> {
        if let Some(renewer) = self.renewer.take() {
            renewer.abort();
        }
        let was_there = !self.lasts() || self.injector.is_there(&self.id, &self.action, self.lease).await;
        self.injector.end(&self.id, &self.action).await?;
        Ok(was_there && !self.was_lost())
    }
}
