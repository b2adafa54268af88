//! Whether deeds took effect: pods that were deleted are gone, workloads have none left, nobody reaches what was isolated.

use std::{collections::BTreeSet, time::Duration};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{
    cluster::Cluster,
    deeds::Deed,
    world::{Pod, Workload, World},
};
use crate::fault::Proof;

/// Longest wait for a fault to show. A rolling restart has to start its first pod in that time; a network policy takes seconds.
const SHOWS_WITHIN: Duration = Duration::from_secs(60);
const IS_ISOLATED_WITHIN: Duration = Duration::from_secs(10);

const LOOK: Duration = Duration::from_millis(500);

/// How it was before.
pub(super) struct Baseline {
    /// Pods that are to be isolated and answered.
    answered: Vec<Pod>,
    /// Ids of all pods that there were.
    uids: BTreeSet<String>,
}

async fn answers(cluster: &Cluster, pod: &Pod) -> bool {
    cluster.admin(pod, "/livez").await.is_ok()
}

pub(super) async fn before(cluster: &Cluster, deeds: &[Deed]) -> anyhow::Result<Baseline> {
    let isolated = deeds.iter().filter_map(|deed| if let Deed::Isolate(pods) = deed { Some(pods) } else { None }).flatten();
    let tried = join_all(isolated.map(async |pod| answers(cluster, pod).await.then(|| pod.clone()))).await;
    let uids = cluster.world().await?.pods.into_iter().map(|pod| pod.uid).collect();
    Ok(Baseline { answered: tried.into_iter().flatten().collect(), uids })
}

/// What is still to be seen; nothing when the deed shows.
async fn missing(cluster: &Cluster, world: &World, deed: &Deed, baseline: &Baseline) -> Option<String> {
    let listed = world.pods.iter().map(|pod| &pod.uid).chain(&world.leaving);
    let uids: BTreeSet<&str> = listed.map(String::as_str).collect();
    match deed {
        Deed::Delete(pods) => {
            let left = pods.iter().find(|pod| uids.contains(pod.uid.as_str()))?;
            Some(format!("{} is there still", left.name))
        }
        Deed::Scale(workloads) => {
            let has_pods =
                |name: &str| world.workloads.iter().any(|one| one.name == name && (one.replicas > 0 || !one.pods.is_empty()));
            let left = workloads.iter().find(|workload| has_pods(&workload.name))?;
            Some(format!("{} has pods still", left.name))
        }
        Deed::Restart(workloads) => {
            // A StatefulSet's pods keep their names, so it is their ids that tell.
            let is_new = |name: &String| world.pod(name).is_some_and(|pod| !baseline.uids.contains(&pod.uid));
            let has_new = |of: &Workload| world.workloads.iter().any(|now| now.name == of.name && now.pods.iter().any(is_new));
            let same = workloads.iter().find(|workload| !has_new(workload))?;
            Some(format!("no pod of {} was replaced", same.name))
        }
        Deed::Isolate(_) if baseline.answered.is_empty() => Some("no pod answered before it was isolated".to_owned()),
        Deed::Isolate(_) => {
            let heard =
                join_all(baseline.answered.iter().map(async |pod| answers(cluster, pod).await.then_some(&pod.name))).await;
            let heard = heard.into_iter().flatten().next()?;
            Some(format!("{heard} still answers; does the cluster's network heed network policies?"))
        }
    }
}

pub(super) async fn prove(cluster: &Cluster, deeds: &[Deed], baseline: &Baseline) -> Proof {
    let only_policies = deeds.iter().all(|deed| matches!(deed, Deed::Isolate(_)));
    let (began, limit) = (Instant::now(), if only_policies { IS_ISOLATED_WITHIN } else { SHOWS_WITHIN });
    loop {
        let why = match cluster.world().await {
            Err(error) => Some(format!("{error:#}")),
            Ok(world) => unmet(cluster, &world, deeds, baseline).await,
        };
        match why {
            None => return Proof::Bit(words(deeds, baseline)),
            Some(why) if began.elapsed() >= limit => return Proof::Missed(why),
            Some(_) => sleep(LOOK).await,
        }
    }
}

async fn unmet(cluster: &Cluster, world: &World, deeds: &[Deed], baseline: &Baseline) -> Option<String> {
    for deed in deeds {
        if let Some(why) = missing(cluster, world, deed, baseline).await {
            return Some(why);
        }
    }
    None
}

fn words(deeds: &[Deed], baseline: &Baseline) -> String {
    let word = |deed: &Deed| match deed {
        Deed::Delete(pods) => format!("{} pods are gone", pods.len()),
        Deed::Scale(workloads) => format!("{} workloads have no pods", workloads.len()),
        Deed::Restart(workloads) => format!("pods of {} workloads are being replaced", workloads.len()),
        Deed::Isolate(pods) => format!(
            "nobody reaches {} pods by way of the API server, which heard {} of them before; \
             what other pods reach, and connections that were open, was not looked at",
            pods.len(),
            baseline.answered.len()
        ),
    };
    deeds.iter().map(word).collect::<Vec<_>>().join(", ")
}
