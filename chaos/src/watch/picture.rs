//! What two looks come to: the shape that people see and programs read. Pure.

use deploy_api::ProcessKind;
use inventory_api::NodeState;
use orders_api::paths;
use serde::{Deserialize, Serialize};

use super::{
    metrics::{Observed, Samples, grown},
    reading::Reading,
};

/// Durations of every request, at every process.
const DURATIONS: &str = "http_request_duration_seconds";

/// Edges ask for it and wait until it changes: how long that takes says nothing of the node.
const CLUSTER: &str = inventory_api::paths::CLUSTER;

/// Whether a process is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// It answers, and is ready where it says whether it is.
    Up,
    /// It answers that it is not ready.
    NotReady,
    /// It runs and does not answer in time.
    Silent,
    /// It does not run, or nobody listens at its port.
    Down,
}

/// The topology as it was seen at one moment. Rates are over the time since the look before, and absent in the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    pub topology: String,
    /// Of the newest view that any node of the inventory has.
    pub term: Option<u64>,
    /// Name of the process that leads in it.
    pub leader: Option<String>,
    pub nodes: Vec<Node>,
    pub services: Vec<Service>,
    pub shop: Shop,
    pub faults: Vec<FaultNow>,
    /// What could not be asked, and why.
    pub complaints: Vec<String>,
}

/// A node of the inventory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub name: String,
    pub region: String,
    pub presence: Presence,
    /// What it takes itself for.
    pub state: Option<NodeState>,
    pub term: Option<u64>,
    pub applied_index: Option<u64>,
    /// Entries of the newest log that any node has which this one has not applied.
    pub lag_entries: Option<u64>,
    pub served: Option<Served>,
}

/// Any other process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Service {
    pub name: String,
    pub kind: ProcessKind,
    pub region: String,
    pub presence: Presence,
    /// Absent where a process tells no metrics.
    pub served: Option<Served>,
}

/// Requests of a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Served {
    pub requests_per_s: f64,
    /// Answered with 5xx.
    pub errors_per_s: f64,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// Checkouts as the edges count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shop {
    /// Answered with 2xx: ordered.
    pub accepted_per_s: Option<f64>,
    /// Answered with 4xx, as when there is not enough.
    pub refused_per_s: Option<f64>,
    /// Answered with 5xx.
    pub failed_per_s: Option<f64>,
    pub p50_ms: Option<f64>,
    pub p99_ms: Option<f64>,
}

/// A fault that is in effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultNow {
    pub id: String,
    pub what: String,
    /// Processes or links.
    pub at: Vec<String>,
    /// Until it heals by itself.
    pub left_ms: u64,
}

impl Picture {
    /// `before`: the look before this one, of the same topology.
    pub fn of(before: Option<&Reading>, now: &Reading) -> Self {
        let view = now.newest_view();
        let name_of = |address: &str| {
            now.topology.processes.iter().find(|process| process.http == address).map(|process| process.name.clone())
        };
        let last =
            now.topology.processes.iter().filter_map(|process| now.view(&process.name)).map(|view| view.last_log_index).max();
        let before = before.filter(|before| before.steady_ms < now.steady_ms);
        let (mut nodes, mut services) = (Vec::new(), Vec::new());
        for process in &now.topology.processes {
            let (name, region, presence) = (process.name.clone(), process.region.clone(), now.presence(&process.name));
            let served = before.and_then(|before| served(before, now, &name));
            if process.kind == ProcessKind::Inventory {
                let own = now.view(&name);
                let applied_index = own.map(|view| view.applied_index);
                let lag_entries = applied_index.zip(last).map(|(applied, last)| last.saturating_sub(applied));
                let (state, term) = own.map(|view| (view.state, view.term)).unzip();
                nodes.push(Node { name, region, presence, state, term, applied_index, lag_entries, served });
            } else {
                services.push(Service { name, kind: process.kind, region, presence, served });
            }
        }
        Self {
            at_ms: now.at_ms,
            topology: now.topology.name.clone(),
            term: view.map(|view| view.term),
            leader: view.and_then(|view| name_of(&view.leader.as_ref()?.address)),
            nodes,
            services,
            shop: before.map_or_else(Shop::default, |before| shop(before, now)),
            faults: now.faults.clone(),
            complaints: now.complaints.clone(),
        }
    }

    /// Whether something is not as it should be.
    pub fn is_ailing(&self) -> bool {
        let absent = |presence: &Presence| *presence != Presence::Up;
        self.leader.is_none()
            || self.nodes.iter().any(|node| absent(&node.presence))
            || self.services.iter().any(|service| absent(&service.presence))
            || !self.complaints.is_empty()
    }
}

fn seconds(before: &Reading, now: &Reading) -> f64 {
    now.steady_ms.saturating_sub(before.steady_ms).max(1) as f64 / 1_000.0
}

/// Of a process that told its metrics in both looks.
fn served(before: &Reading, now: &Reading, name: &str) -> Option<Served> {
    let (was, is) = (before.metrics(name)?, now.metrics(name)?);
    let count = format!("{DURATIONS}_count");
    let rate = |was: Option<f64>, is: Option<f64>| grown(was, is) / seconds(before, now);
    let failed = |of: &Samples| of.sum(&count, |_, status| status.starts_with('5'), "status");
    // What an edge answers from its cache at once is counted there alone.
    let hits = |of: &Samples| of.sum("edge_cache_total", |_, result| result == "hit", "result");
    let observed = Observed::between(was, is, DURATIONS, &|labels| labels.get("route").is_none_or(|route| route != CLUSTER));
    Some(Served {
        requests_per_s: rate(was.total(&count), is.total(&count)) + rate(hits(was), hits(is)),
        errors_per_s: rate(failed(was), failed(is)),
        p50_ms: observed.quantile(0.5).map(to_ms),
        p99_ms: observed.quantile(0.99).map(to_ms),
    })
}

fn shop(before: &Reading, now: &Reading) -> Shop {
    let edges = now.topology.processes.iter().filter(|process| process.kind == ProcessKind::Edge);
    let told: Vec<(&Samples, &Samples)> =
        edges.filter_map(|edge| Some((before.metrics(&edge.name)?, now.metrics(&edge.name)?))).collect();
    if told.is_empty() {
        return Shop::default();
    }
    let per_s = |class: char| {
        let of = |samples: &Samples| samples.sum("edge_checkouts_total", |_, status| status.starts_with(class), "status");
        Some(told.iter().map(|(was, is)| grown(of(was), of(is))).sum::<f64>() / seconds(before, now))
    };
    let checkouts = |labels: &std::collections::BTreeMap<String, String>| {
        let is = |label: &str, wanted: &str| labels.get(label).is_some_and(|value| value == wanted);
        is("method", "POST") && (is("route", paths::CHECKOUT) || is("route", "/checkout"))
    };
    let observed =
        told.iter().fold(Observed::default(), |all, (was, is)| all.with(&Observed::between(was, is, DURATIONS, &checkouts)));
    Shop {
        accepted_per_s: per_s('2'),
        refused_per_s: per_s('4'),
        failed_per_s: per_s('5'),
        p50_ms: observed.quantile(0.5).map(to_ms),
        p99_ms: observed.quantile(0.99).map(to_ms),
    }
}

fn to_ms(seconds: f64) -> f64 {
    seconds * 1_000.0
}

#[cfg(test)]
pub(super) mod tests;
