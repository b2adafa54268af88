//! Healing by what is written on the objects, whoever wrote it.

use anyhow::Context;
use http::Method;
use serde::Serialize;
use time::OffsetDateTime;

use super::{
    cluster::Cluster,
    deeds::{EXPIRES, FAULT, REPLICAS, is_over, mark, scale_back},
    inject::{APPS, NETWORKING},
    world::{WorkloadKind, WorkloadObject},
};

/// Which faults are healed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// Those whose lease is over.
    Expired,
}

/// An object that a fault changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Active {
    /// Name of the fault.
    pub fault: String,
    /// `networkpolicies/NAME`, `statefulsets/NAME`, `deployments/NAME`.
    pub object: String,
    /// In RFC 3339; absent where nothing says so.
    pub expires: Option<String>,
    #[serde(skip)]
    replicas: Option<u32>,
    #[serde(skip)]
    path: String,
    #[serde(skip)]
    is_policy: bool,
}

impl Cluster {
    /// What is broken now, by whomever.
    pub async fn active(&self) -> anyhow::Result<Vec<Active>> {
        let (active, failed) = self.changed_by(FAULT).await;
        failed.map_or(Ok(active), Err)
    }

    /// What can be seen, and why the rest cannot: what may not be listed hides nothing else from being healed.
    async fn changed_by(&self, selector: &str) -> (Vec<Active>, Option<anyhow::Error>) {
        let kinds = [(NETWORKING, "networkpolicies")].into_iter().chain(WorkloadKind::ALL.map(|kind| (APPS, kind.plural())));
        let (mut active, mut failed) = (Vec::new(), None);
        for (group, plural) in kinds {
            let objects = match self.list::<WorkloadObject>(group, plural, selector).await {
                Ok(objects) => objects,
                Err(error) => {
                    failed = failed.or(Some(error));
                    continue;
                }
            };
            for WorkloadObject { metadata, .. } in objects {
                active.push(Active {
                    fault: metadata.labels.get(FAULT).cloned().unwrap_or_default(),
                    object: format!("{plural}/{}", metadata.name),
                    expires: metadata.annotations.get(EXPIRES).cloned(),
                    replicas: metadata.annotations.get(REPLICAS).and_then(|text| text.parse().ok()),
                    path: self.path(group, plural, &format!("/{}", metadata.name)),
                    is_policy: plural == "networkpolicies",
                });
            }
        }
        (active, failed)
    }

    /// Gives the names of the faults that were healed. It may be called at any time, any number of times.
    pub async fn heal(&self, which: Which) -> anyhow::Result<Vec<String>> {
        let now = OffsetDateTime::now_utc();
        let mut faults: Vec<String> = Vec::new();
        let (active, mut failed) = self.changed_by(FAULT).await;
        for active in active {
            if (which == Which::All || is_over(active.expires.as_ref(), now)) && !faults.contains(&active.fault) {
                faults.push(active.fault);
            }
        }
        for fault in &faults {
            failed = failed.or(self.heal_fault(fault).await.with_context(|| fault.clone()).err());
        }
        if which == Which::All {
            // Labels of pods whose policy is gone hurt nobody, and keep them from being hurt again.
            failed = failed.or(self.unmark(FAULT).await.err());
        }
        failed.map_or(Ok(faults), Err)
    }

    /// Objects of one fault. All of them are tried, also where one cannot be healed.
    pub(super) async fn heal_fault(&self, id: &str) -> anyhow::Result<()> {
        let selector = format!("{FAULT}={id}");
        let (active, mut failed) = self.changed_by(&selector).await;
        for active in active {
            let healed = match active.is_policy {
                true => self.ask(Method::DELETE, &active.path, None).await.map(drop),
                false => self.patch(&active.path, &scale_back(active.replicas)).await.map(drop),
            };
            failed = failed.or(healed.err());
        }
        let unmarked = self.unmark(&selector).await;
        failed.map_or(unmarked, Err)
    }

    async fn unmark(&self, selector: &str) -> anyhow::Result<()> {
        let mut failed = None;
        for pod in self.list::<WorkloadObject>("api/v1", "pods", selector).await? {
            failed = failed.or(self.patch(&self.pod_path(&pod.metadata.name), &mark(None)).await.err());
        }
        failed.map_or(Ok(()), Err)
    }
}
