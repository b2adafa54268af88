//! Pods and workloads as the cluster's API tells of them, and as a topology. Pure.

use std::collections::BTreeMap;

use deploy_api::{Process, ProcessKind};
use serde::Deserialize;

use crate::fault::Snapshot;

/// Everything of a storefront has it.
pub(super) const PART_OF: (&str, &str) = ("app.kubernetes.io/part-of", "storefront");

/// `inventory`, `edge`, `catalog`, `orders`, `postgres`, `redis`, `payments`.
const COMPONENT: &str = "app.kubernetes.io/component";
const REGION: &str = "storefront.example/region";

/// Name of the port that has `/livez` and `/metrics`.
const ADMIN_PORT: &str = "admin";

/// A list of the API.
#[derive(Debug, Deserialize)]
pub(super) struct Items<T> {
    #[serde(default = "Vec::new")]
    pub(super) items: Vec<T>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Meta {
    pub(super) name: String,
    #[serde(default)]
    pub(super) uid: String,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) deletion_timestamp: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct PodObject {
    pub(super) metadata: Meta,
    #[serde(default)]
    spec: PodSpec,
    #[serde(default)]
    status: PodStatus,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PodSpec {
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Container {
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Port {
    name: Option<String>,
    container_port: u16,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct PodStatus {
    phase: Option<String>,
}

/// A `StatefulSet` or a `Deployment`; also any other object, of which only the metadata is of interest.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct WorkloadObject {
    pub(super) metadata: Meta,
    #[serde(default)]
    spec: WorkloadSpec,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct WorkloadSpec {
    replicas: Option<u32>,
    #[serde(default)]
    selector: Selector,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkloadKind {
    StatefulSet,
    Deployment,
}

impl WorkloadKind {
    pub(super) const ALL: [Self; 2] = [Self::StatefulSet, Self::Deployment];

    /// As paths of the API have it.
    pub(super) fn plural(self) -> &'static str {
        match self {
            Self::StatefulSet => "statefulsets",
            Self::Deployment => "deployments",
        }
    }
}

/// What starts pods again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub kind: WorkloadKind,
    pub name: String,
    pub replicas: u32,
    /// Names of its pods.
    pub pods: Vec<String>,
    /// The fault that it is scaled by now.
    pub fault: Option<String>,
}

/// A pod of the storefront.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    pub name: String,
    pub uid: String,
    pub component: ProcessKind,
    pub region: String,
    pub is_running: bool,
    pub admin_port: Option<u16>,
    /// The fault that cut it off.
    pub fault: Option<String>,
}

/// All that there is of a storefront in a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    pub pods: Vec<Pod>,
    /// Ids of pods that are on their way out: they may serve still.
    pub leaving: Vec<String>,
    pub workloads: Vec<Workload>,
}

impl World {
    pub(super) fn of(pods: Vec<PodObject>, workloads: Vec<(WorkloadKind, Vec<WorkloadObject>)>) -> Self {
        let (pods, leaving): (Vec<PodObject>, Vec<PodObject>) =
            pods.into_iter().partition(|pod| pod.metadata.deletion_timestamp.is_none());
        let mut world = Self { leaving: leaving.into_iter().map(|pod| pod.metadata.uid).collect(), ..Self::default() };
        for (kind, objects) in workloads {
            for WorkloadObject { metadata, spec } in objects {
                let wanted = &spec.selector.match_labels;
                let is_own = |pod: &&PodObject| {
                    !wanted.is_empty() && wanted.iter().all(|(name, value)| pod.metadata.labels.get(name) == Some(value))
                };
                let own = pods.iter().filter(is_own).map(|pod| pod.metadata.name.clone()).collect();
                let fault = metadata.labels.get(super::deeds::FAULT).cloned();
                // The API's own default.
                let replicas = spec.replicas.unwrap_or(1);
                world.workloads.push(Workload { kind, name: metadata.name, replicas, pods: own, fault });
            }
        }
        world.pods = pods.into_iter().filter_map(pod).collect();
        world
    }

    /// A topology as targets are resolved against. `leader`: the pod that leads the inventory, and its term.
    pub fn snapshot(&self, leader: Option<(String, u64)>) -> Snapshot {
        let process = |pod: &Pod| Process {
            name: pod.name.clone(),
            kind: pod.component,
            region: pod.region.clone(),
            // Pods have no process ids that mean anything here; that there is one says that it runs.
            pid: pod.is_running.then_some(1),
            http: String::new(),
            admin: None,
            data_dir: None,
        };
        let (leader, term) = leader.unzip();
        // Nobody asks the inventory for its members here: each of its pods counts as one that votes.
        let inventory = self.pods.iter().filter(|pod| pod.component == ProcessKind::Inventory);
        let voters = inventory.map(|pod| pod.name.clone()).collect();
        let processes = self.pods.iter().map(process).collect();
        Snapshot { processes, links: Vec::new(), leader, term: term.unwrap_or_default(), voters }
    }

    pub(super) fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.iter().find(|pod| pod.name == name)
    }
}

/// `None` where it is no part that faults know.
fn pod(object: PodObject) -> Option<Pod> {
    let PodObject { metadata, spec, status } = object;
    let component = serde_json::Value::String(metadata.labels.get(COMPONENT)?.clone());
    let component: ProcessKind = serde_json::from_value(component).ok().filter(|kind: &ProcessKind| !kind.is_apparatus())?;
    let ports = spec.containers.iter().flat_map(|container| &container.ports);
    let mut admin = ports.filter(|port| port.name.as_deref() == Some(ADMIN_PORT)).map(|port| port.container_port);
    Some(Pod {
        component,
        region: metadata.labels.get(REGION).cloned().unwrap_or_else(|| "local".to_owned()),
        is_running: status.phase.as_deref() == Some("Running"),
        admin_port: admin.next(),
        fault: metadata.labels.get(super::deeds::FAULT).cloned(),
        name: metadata.name,
        uid: metadata.uid,
    })
}
