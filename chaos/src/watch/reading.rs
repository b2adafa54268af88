//! What was heard in one look. Pure.

use std::collections::BTreeMap;

use deploy_api::{ProcessKind, Topology};
use inventory_api::ClusterView;

use super::{
    metrics::Samples,
    picture::{FaultNow, Presence},
};

/// What one process said.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub presence: Presence,
    /// Of a node of the inventory.
    pub view: Option<ClusterView>,
    /// Of a process that has an admin port.
    pub metrics: Option<Samples>,
}

/// Everything that was heard.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// Milliseconds by a clock that is never set: rates are by it.
    pub steady_ms: u64,
    pub topology: Topology,
    /// By the names of processes.
    pub said: BTreeMap<String, Said>,
    pub faults: Vec<FaultNow>,
    /// What could not be asked, and why.
    pub complaints: Vec<String>,
}

impl Reading {
    pub(super) fn presence(&self, name: &str) -> Presence {
        self.said.get(name).map_or(Presence::Silent, |said| said.presence)
    }

    pub(super) fn metrics(&self, name: &str) -> Option<&Samples> {
        self.said.get(name)?.metrics.as_ref()
    }

    pub(super) fn view(&self, name: &str) -> Option<&ClusterView> {
        self.said.get(name)?.view.as_ref()
    }

    /// The newest view that any node has: one that is cut off has an old one and does not know it.
    pub(super) fn newest_view(&self) -> Option<&ClusterView> {
        let nodes = self.topology.processes.iter().filter(|process| process.kind == ProcessKind::Inventory);
        let views = nodes.filter_map(|process| self.view(&process.name));
        views.max_by_key(|view| (view.term, view.leader.is_some(), view.applied_index))
    }
}
