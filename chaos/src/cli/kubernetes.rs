//! Flags of a cluster, and what a fault comes to there.

use std::{path::PathBuf, str::FromStr};

use anyhow::ensure;
use chaos::{
    fault::{Fault, Target, TargetError},
    kubernetes::{Access, Cluster, Deed, deeds},
};
use clap::{Args, ValueEnum};

/// In front of a target that is in a cluster.
const PREFIX: &str = "kubernetes:";

/// Whom a fault is at, and where.
#[derive(Clone, Debug)]
pub(crate) enum Victim {
    /// A process of a topology on this machine.
    Here(Target),
    /// Pods of a cluster.
    Cluster(Target),
}

impl FromStr for Victim {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        match text.strip_prefix(PREFIX) {
            Some(target) => target.parse().map(Self::Cluster),
            None => text.parse().map(Self::Here),
        }
    }
}

/// Where something is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ground {
    /// The cluster of --kubernetes-api
    Kubernetes,
}

/// Which cluster, and as whom.
#[derive(Clone, Debug, Args)]
pub(crate) struct KubernetesArgs {
    /// The cluster's API, http[s]://HOST:PORT; without it, that of the cluster whose pod this is. `kubectl proxy` is one
    #[arg(long, env = "KUBERNETES_API")]
    kubernetes_api: Option<String>,
    /// Authority of its certificate (PEM)
    #[arg(long, requires = "kubernetes_api")]
    kubernetes_ca: Option<PathBuf>,
    /// File with the token to show, read anew for each request
    #[arg(long, requires = "kubernetes_api")]
    kubernetes_token_file: Option<PathBuf>,
    /// Namespace of the storefront; without it, that of this pod, else `default`
    #[arg(long)]
    namespace: Option<String>,
}

impl KubernetesArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Cluster> {
        let variable = |name: &str| std::env::var(name).ok();
        let (ca, token) = (self.kubernetes_ca.clone(), self.kubernetes_token_file.clone());
        Cluster::open(Access::new(self.kubernetes_api.as_deref(), ca, token, self.namespace.clone(), variable)?)
    }
}

/// What is to be done, at whom.
pub(crate) struct Planned {
    pub(crate) cluster: Cluster,
    pub(crate) targets: Vec<String>,
    pub(crate) deeds: Vec<Deed>,
}

pub(crate) async fn planned(
    args: &KubernetesArgs,
    name: &str,
    fault: Fault,
    target: &Target,
    seed: u64,
) -> anyhow::Result<Planned> {
    let cluster = args.open()?;
    let world = cluster.world().await?;
    ensure!(
        !world.pods.is_empty(),
        "no pod of the namespace has the label app.kubernetes.io/part-of=storefront and a known app.kubernetes.io/component"
    );
    let leader = cluster.leader(&world).await;
    let targets = target.resolve(&world.snapshot(leader), seed)?;
    let deeds = deeds(name, fault, &targets, &world)?;
    Ok(Planned { cluster, targets, deeds })
}
