//! Carrying deeds out, and keeping their lease for as long as this program lives and wants them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::ensure;
use http::Method;
use time::OffsetDateTime;
use tokio::task::JoinHandle;

use super::{
    cluster::Cluster,
    deeds::{Deed, delete_options, isolation, mark, policy_name, renewal, restart, scale_to_none},
    proof::{self, Baseline},
    world::{Pod, Workload},
};
use crate::fault::Proof;

/// Renewals in the time of one lease: two may be lost.
const RENEWALS: u32 = 3;

pub(super) const APPS: &str = "apis/apps/v1";
pub(super) const NETWORKING: &str = "apis/networking.k8s.io/v1";

/// Faults that are in effect. Dropped, they are renewed no more; whoever runs `chaos heal --expired` heals them when their lease is over.
pub struct Injected {
    cluster: Cluster,
    id: String,
    deeds: Vec<Deed>,
    baseline: Baseline,
    renewer: Option<JoinHandle<()>>,
    lost: Arc<AtomicBool>,
}

impl Drop for Injected {
    fn drop(&mut self) {
        if let Some(renewer) = &self.renewer {
            renewer.abort();
        }
    }
}

impl Cluster {
    pub(super) fn workload_path(&self, workload: &Workload) -> String {
        self.path(APPS, workload.kind.plural(), &format!("/{}", workload.name))
    }

    pub(super) fn pod_path(&self, name: &str) -> String {
        self.path("api/v1", "pods", &format!("/{name}"))
    }

    pub(super) fn policy_path(&self, id: &str) -> String {
        self.path(NETWORKING, "networkpolicies", &format!("/{}", policy_name(id)))
    }

    /// Does what was planned. What lasts says on itself until when.
    pub async fn inject(&self, id: &str, deeds: Vec<Deed>, lease: Duration) -> anyhow::Result<Injected> {
        ensure!(!lease.is_zero() && lease <= deploy_api::MAX_LEASE, "a lease is up to {} s", deploy_api::MAX_LEASE.as_secs());
        let baseline = proof::before(self, &deeds).await?;
        let lost = Arc::new(AtomicBool::new(false));
        let mut injected =
            Injected { cluster: self.clone(), id: id.to_owned(), deeds, baseline, renewer: None, lost: lost.clone() };
        for deed in &injected.deeds {
            if let Err(error) = self.act(id, deed, lease).await {
                // Half of it may be there already.
                let _ = self.heal_fault(id).await;
                return Err(error);
            }
        }
        let lasting = self.lasting(id, &injected.deeds);
        if !lasting.is_empty() {
            let cluster = self.clone();
            injected.renewer = Some(tokio::spawn(async move { cluster.renew(lasting, lease, &lost).await }));
        }
        Ok(injected)
    }

    async fn act(&self, id: &str, deed: &Deed, lease: Duration) -> anyhow::Result<()> {
        let now = OffsetDateTime::now_utc();
        match deed {
            Deed::Delete(pods) => {
                for pod in pods {
                    self.delete(pod).await?;
                }
            }
            Deed::Scale(workloads) => {
                for workload in workloads {
                    let patch = scale_to_none(workload, id, now + lease);
                    ensure!(self.patch(&self.workload_path(workload), &patch).await?, "{} is gone", workload.name);
                }
            }
            Deed::Restart(workloads) => {
                for workload in workloads {
                    ensure!(self.patch(&self.workload_path(workload), &restart(now)).await?, "{} is gone", workload.name);
                }
            }
            Deed::Isolate(pods) => {
                for pod in pods {
                    ensure!(self.patch(&self.pod_path(&pod.name), &mark(Some(id))).await?, "{} is gone", pod.name);
                }
                self.create(&self.path(NETWORKING, "networkpolicies", ""), &isolation(id, now + lease)).await?;
            }
        }
        Ok(())
    }

    async fn delete(&self, pod: &Pod) -> anyhow::Result<()> {
        let options = delete_options(pod);
        // One that is gone already is as dead as it was to be.
        self.ask(Method::DELETE, &self.pod_path(&pod.name), Some(("application/json", &options))).await.map(drop)
    }

    /// Paths of the objects that carry the lease.
    fn lasting(&self, id: &str, deeds: &[Deed]) -> Vec<String> {
        let of = |deed: &Deed| match deed {
            Deed::Scale(workloads) => workloads.iter().map(|workload| self.workload_path(workload)).collect(),
            Deed::Isolate(_) => vec![self.policy_path(id)],
            Deed::Delete(_) | Deed::Restart(_) => Vec::new(),
        };
        deeds.iter().flat_map(of).collect()
    }

    async fn renew(&self, lasting: Vec<String>, lease: Duration, lost: &AtomicBool) {
        let mut turns = tokio::time::interval(lease / RENEWALS);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick is at once.
        turns.tick().await;
        loop {
            turns.tick().await;
            for path in &lasting {
                let patch = renewal(OffsetDateTime::now_utc() + lease);
                let renewed = self.patch(path, &patch).await.is_ok_and(|is_there| is_there);
                lost.fetch_or(!renewed, Ordering::Relaxed);
            }
        }
    }
}

impl Injected {
    /// Tries for real whether the fault took effect.
    pub async fn proof(&self) -> Proof {
        let proof = proof::prove(&self.cluster, &self.deeds, &self.baseline).await;
        if self.was_lost() { Proof::Missed("its lease was over before its time".to_owned()) } else { proof }
    }

    /// Whether a renewal failed, so that somebody may have healed the fault before its time.
    pub fn was_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Comes back when everything is as it was; pods may still be on their way up.
    pub async fn heal(mut self) -> anyhow::Result<()> {
        if let Some(renewer) = self.renewer.take() {
            renewer.abort();
        }
        self.cluster.heal_fault(&self.id).await.map(drop)
    }
}
