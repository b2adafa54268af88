//! Deeds in a world that is made up.

use std::collections::BTreeMap;

use deploy_api::ProcessKind;
use time::macros::datetime;

use super::*;
use crate::{fault::CATALOG, kubernetes::world::WorkloadKind};

fn pod(name: &str, component: ProcessKind) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        component,
        region: "eu".to_owned(),
        is_running: true,
        admin_port: Some(9_000),
        fault: None,
    }
}

fn workload(kind: WorkloadKind, name: &str, pods: &[&str]) -> Workload {
    let pods = pods.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Workload { kind, name: name.to_owned(), replicas: u32::try_from(pods.len()).unwrap(), pods, fault: None }
}

fn world() -> World {
    let pods = vec![
        pod("inventory-0", ProcessKind::Inventory),
        pod("inventory-1", ProcessKind::Inventory),
        pod("edge-a", ProcessKind::Edge),
    ];
    let workloads = vec![
        workload(WorkloadKind::StatefulSet, "inventory", &["inventory-0", "inventory-1"]),
        workload(WorkloadKind::Deployment, "edge", &["edge-a"]),
    ];
    World { pods, workloads, ..World::default() }
}

fn planned(fault: &str, targets: &[&str], world: &World) -> Result<Vec<Deed>, NotThere> {
    let targets: Vec<String> = targets.iter().map(|name| (*name).to_owned()).collect();
    deeds(fault, Fault::parse(fault, &BTreeMap::new()).unwrap(), &targets, world)
}

#[test]
fn what_the_api_can_do_is_done_and_the_rest_is_refused_by_name() {
    for entry in CATALOG {
        let planned = planned(entry.name, &["edge-a"], &world());
        match FAULTS.contains(&entry.name) {
            true => assert!(planned.is_ok(), "{}: {planned:?}", entry.name),
            false => {
                let said = planned.unwrap_err().to_string();
                assert!(said.starts_with(entry.name) && said.contains("process.kill, process.rolling-restart"), "{said}");
            }
        }
    }
}

#[test]
fn a_workload_is_scaled_when_all_of_its_pods_are_meant() {
    let world = world();
    let some = planned("process.kill", &["inventory-0", "edge-a"], &world).unwrap();
    let deleted = |names: &[&str]| Deed::Delete(names.iter().map(|name| world.pod(name).unwrap().clone()).collect());
    assert_eq!(some, [Deed::Scale(vec![world.workloads[1].clone()]), deleted(&["inventory-0", "edge-a"])]);
    let one = planned("process.kill", &["inventory-1"], &world).unwrap();
    assert_eq!(one, [deleted(&["inventory-1"])]);
    let restarted = planned("process.rolling-restart", &["inventory-0", "inventory-1"], &world).unwrap();
    assert_eq!(restarted, [Deed::Restart(vec![world.workloads[0].clone()])]);
}

#[test]
fn what_is_hurt_or_gone_or_nobodys_is_left_alone() {
    let mut world = world();
    world.workloads[1].fault = Some("process.kill-1".to_owned());
    assert!(matches!(planned("process.kill", &["edge-a"], &world), Err(NotThere::HurtAlready { .. })));
    world.workloads.remove(1);
    assert_eq!(planned("process.kill", &["edge-a"], &world), Err(NotThere::NoWorkload("edge-a".to_owned())));
    world.pods[0].fault = Some("partition.isolate-1".to_owned());
    assert!(matches!(planned("partition.isolate", &["inventory-0"], &world), Err(NotThere::HurtAlready { .. })));
    world.pods[1].is_running = false;
    assert_eq!(planned("partition.isolate", &["inventory-1"], &world), Err(NotThere::NotRunning("inventory-1".to_owned())));
}

#[test]
fn a_lease_is_over_at_its_time_and_when_it_cannot_be_read() {
    let now = datetime!(2026-11-21 12:00 UTC);
    let over = |text: &str| is_over(Some(&text.to_owned()), now);
    assert!(over("2026-11-21T12:00:00Z") && over("2026-11-21T11:59:59.9Z") && over("soon") && is_over(None, now));
    assert!(!over("2026-11-21T12:00:00.1Z") && !over("2026-11-21T14:00:01+02:00"));
}
