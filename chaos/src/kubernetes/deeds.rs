//! What a fault comes to in a cluster, and what is said to its API for that. Pure.

use deploy_api::ProcessFault;
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::world::{Pod, Workload, World};
use crate::fault::{Fault, Shape};

/// Label of everything that a fault changed: its name.
pub(super) const FAULT: &str = "chaos.storefront.example/fault";

/// Annotation: until when, in RFC 3339.
pub(super) const EXPIRES: &str = "chaos.storefront.example/expires";

/// Annotation of a workload: how many pods it had.
pub(super) const REPLICAS: &str = "chaos.storefront.example/replicas";

/// Faults that there are in a cluster.
pub const FAULTS: [&str; 3] = ["process.kill", "process.rolling-restart", "partition.isolate"];

/// One change of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Without grace; whoever started them starts others.
    Delete(Vec<Pod>),
    /// To none, and back to as many at the end.
    Scale(Vec<Workload>),
    /// New pods in the place of old ones, one after the other.
    Restart(Vec<Workload>),
    /// Nobody speaks with them.
    Isolate(Vec<Pod>),
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotThere {
    #[error("{0} cannot be done by a cluster's API; it can do {list}", list = FAULTS.join(", "))]
    Fault(String),
    #[error("{0} does not run, so it cannot be hurt")]
    NotRunning(String),
    #[error("{object} is hurt by {fault} already; heal that first")]
    HurtAlready { object: String, fault: String },
    #[error("nothing would start {0} again: no StatefulSet or Deployment has it")]
    NoWorkload(String),
}

/// What is to be done.
pub fn deeds(name: &str, fault: Fault, targets: &[String], world: &World) -> Result<Vec<Deed>, NotThere> {
    let pods: Vec<Pod> = targets.iter().filter_map(|target| world.pod(target)).cloned().collect();
    if let Some(gone) = pods.iter().find(|pod| !pod.is_running) {
        return Err(NotThere::NotRunning(gone.name.clone()));
    }
    if let Some((pod, fault)) = pods.iter().find_map(|pod| Some((pod, pod.fault.as_ref()?))) {
        return Err(NotThere::HurtAlready { object: pod.name.clone(), fault: fault.clone() });
    }
    match fault {
        Fault::Process(ProcessFault::Down) => kill(pods, world),
        Fault::RollingRestart => Ok(vec![Deed::Restart(workloads(&pods, world)?)]),
        Fault::Partition(Shape::Isolate) => Ok(vec![Deed::Isolate(pods)]),
        _ => Err(NotThere::Fault(name.to_owned())),
    }
}

/// What has each of them.
fn workloads(pods: &[Pod], world: &World) -> Result<Vec<Workload>, NotThere> {
    let mut found: Vec<Workload> = Vec::new();
    for pod in pods {
        let own = world.workloads.iter().find(|workload| workload.pods.contains(&pod.name));
        let own = own.ok_or_else(|| NotThere::NoWorkload(pod.name.clone()))?;
        if let Some(fault) = &own.fault {
            return Err(NotThere::HurtAlready { object: own.name.clone(), fault: fault.clone() });
        }
        if !found.contains(own) {
            found.push(own.clone());
        }
    }
    Ok(found)
}

/// Where all pods of a workload are meant, it is scaled to none, so that they stay away; where some are, others take their place.
fn kill(pods: Vec<Pod>, world: &World) -> Result<Vec<Deed>, NotThere> {
    let is_meant = |name: &String| pods.iter().any(|pod| pod.name == *name);
    let whole: Vec<Workload> =
        workloads(&pods, world)?.into_iter().filter(|workload| workload.pods.iter().all(is_meant)).collect();
    let mut deeds = Vec::new();
    if !whole.is_empty() {
        deeds.push(Deed::Scale(whole));
    }
    deeds.push(Deed::Delete(pods));
    Ok(deeds)
}

pub(super) fn written(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// Whether a lease that says so is over. One that says nothing that can be read is.
pub(super) fn is_over(expires: Option<&String>, now: OffsetDateTime) -> bool {
    expires.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok()).is_none_or(|at| at <= now)
}

/// As a crash is, and this pod alone, not one that took its name since. A second and not none: without one the API forgets the pod before its
/// node has ended it, and a StatefulSet starts another beside it, two members under one name.
pub(super) fn delete_options(pod: &Pod) -> Value {
    json!({"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 1, "preconditions": {"uid": pod.uid}})
}

/// In one request, so that there is no moment at which nobody knows how many there were.
pub(super) fn scale_to_none(workload: &Workload, id: &str, expires: OffsetDateTime) -> Value {
    let annotations = json!({EXPIRES: written(expires), REPLICAS: workload.replicas.to_string()});
    json!({"metadata": {"labels": {FAULT: id}, "annotations": annotations}, "spec": {"replicas": 0}})
}

pub(super) fn scale_back(replicas: Option<u32>) -> Value {
    let mut patch = json!({"metadata": {"labels": {FAULT: null}, "annotations": {EXPIRES: null, REPLICAS: null}}});
    if let Some(replicas) = replicas {
        patch["spec"] = json!({"replicas": replicas});
    }
    patch
}

pub(super) fn renewal(expires: OffsetDateTime) -> Value {
    json!({"metadata": {"annotations": {EXPIRES: written(expires)}}})
}

/// As `kubectl rollout restart` does.
pub(super) fn restart(at: OffsetDateTime) -> Value {
    json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": written(at)}}}}})
}

pub(super) fn mark(id: Option<&str>) -> Value {
    json!({"metadata": {"labels": {FAULT: id}}})
}

pub(super) fn policy_name(id: &str) -> String {
    format!("chaos-{id}")
}

/// Both directions are governed, and nothing is allowed.
pub(super) fn isolation(id: &str, expires: OffsetDateTime) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": policy_name(id), "labels": {FAULT: id}, "annotations": {EXPIRES: written(expires)}},
        "spec": {"podSelector": {"matchLabels": {FAULT: id}}, "policyTypes": ["Ingress", "Egress"]},
    })
}

#[cfg(test)]
mod tests;
