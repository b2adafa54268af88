//! Who is there and who leads, at one moment.

use std::collections::BTreeSet;

use deploy_api::{Link, Process, ProcessKind, Topology};

/// A topology as targets are resolved against.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Without what faults are made with.
    pub processes: Vec<Process>,
    pub links: Vec<Link>,
    /// Name of the process that leads the inventory, and its term.
    pub leader: Option<String>,
    pub term: u64,
    /// Names of the inventory's voters; where nobody knows, all its nodes.
    pub voters: BTreeSet<String>,
}

impl Snapshot {
    /// `leader`: the address and term that the newest view of any node tells.
    pub fn of(topology: Topology, leader: Option<(String, u64)>) -> Self {
        let name =
            |address: &String| topology.processes.iter().find(|process| process.http == *address).map(|found| found.name.clone());
        let (address, term) = leader.unzip();
        let leader = address.as_ref().and_then(name);
        let processes: Vec<Process> = topology.processes.into_iter().filter(|process| !process.kind.is_apparatus()).collect();
        let mut known =
            Self { processes, links: topology.links, leader, term: term.unwrap_or_default(), voters: BTreeSet::new() };
        known.voters = known.of_kind(ProcessKind::Inventory).map(str::to_owned).collect();
        known
    }

    /// With those alone as voters that are at these addresses.
    #[must_use]
    pub fn with_voters(mut self, addresses: &[String]) -> Self {
        let votes =
            |name: &String| self.processes.iter().any(|process| process.name == *name && addresses.contains(&process.http));
        self.voters = self.voters.iter().filter(|name| votes(name)).cloned().collect();
        self
    }

    pub fn process(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    pub(super) fn region_of(&self, name: &str) -> Option<&str> {
        self.process(name).map(|process| process.region.as_str())
    }

    pub(super) fn of_kind(&self, kind: ProcessKind) -> impl Iterator<Item = &str> {
        self.processes.iter().filter(move |process| process.kind == kind).map(|process| process.name.as_str())
    }

    pub(super) fn in_regions(&self, regions: &BTreeSet<&str>) -> BTreeSet<String> {
        let there = self.processes.iter().filter(|process| regions.contains(process.region.as_str()));
        there.map(|process| process.name.clone()).collect()
    }

    /// Regions in the order of the topology.
    pub(super) fn regions(&self) -> Vec<&str> {
        let mut regions: Vec<&str> = Vec::new();
        for process in &self.processes {
            if !regions.contains(&process.region.as_str()) {
                regions.push(&process.region);
            }
        }
        regions
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn process(name: &str, kind: ProcessKind, region: &str) -> Process {
        let (name, region, http) = (name.to_owned(), region.to_owned(), format!("{name}:1"));
        Process { name, kind, region, pid: Some(1), http, admin: None, data_dir: None }
    }

    fn link(from: &Process, to: &Process) -> Link {
        Link {
            name: format!("{}>{}", from.name, to.name),
            from: from.name.clone(),
            to: to.name.clone(),
            from_region: from.region.clone(),
            to_region: to.region.clone(),
            address: String::new(),
            target: String::new(),
            control: String::new(),
            round_trip_ms: 0,
        }
    }

    /// As three regions are, led from the second.
    pub(in crate::fault) fn snapshot() -> Snapshot {
        with_regions(&["eu", "us", "ap"])
    }

    pub(in crate::fault) fn with_regions(regions: &[&str]) -> Snapshot {
        let mut processes =
            vec![process("postgres", ProcessKind::Postgres, regions[0]), process("catalog", ProcessKind::Catalog, regions[0])];
        for region in regions {
            for (name, kind) in [
                ("redis", ProcessKind::Redis),
                ("inventory", ProcessKind::Inventory),
                ("orders", ProcessKind::Orders),
                ("edge", ProcessKind::Edge),
            ] {
                processes.push(process(&format!("{name}-{region}"), kind, region));
            }
        }
        let inventory: Vec<&Process> = processes.iter().filter(|process| process.kind == ProcessKind::Inventory).collect();
        let mut links = Vec::new();
        for from in &processes {
            let to = inventory.iter().filter(|to| to.name != from.name && from.kind != ProcessKind::Redis);
            links.extend(to.map(|to| link(from, to)));
        }
        processes.push(process("links", ProcessKind::Links, "everywhere"));
        processes.push(process("drills", ProcessKind::Drills, "everywhere"));
        let topology = Topology {
            name: "test".to_owned(),
            supervisor_pid: 1,
            supervisor_started: 1,
            processes,
            links,
            databases: std::collections::BTreeMap::new(),
            inventory_tls: None,
        };
        Snapshot::of(topology, Some((format!("inventory-{}:1", regions[1]), 4)))
    }
}
