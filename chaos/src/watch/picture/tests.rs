//! Pictures of readings that are made up.

use std::collections::BTreeMap;

use deploy_api::{Process, Topology};
use inventory_api::{ClusterView, Leader, NodeState};

use super::*;
use crate::watch::reading::Said;

fn process(name: &str, kind: ProcessKind, region: &str) -> Process {
    let (name, region, http) = (name.to_owned(), region.to_owned(), format!("{name}:1"));
    Process { name, kind, region, pid: Some(1), http, admin: None, data_dir: None }
}

fn view(of: u64, state: NodeState, term: u64, leader: &str, (last_log_index, applied_index): (u64, u64)) -> ClusterView {
    let leader = (!leader.is_empty()).then(|| Leader { id: 9, address: format!("{leader}:1") });
    ClusterView {
        cluster_id: "c".to_owned(),
        node_id: of,
        state,
        term,
        leader,
        members: Vec::new(),
        last_log_index,
        applied_index,
    }
}

fn edge_metrics(accepted: u64, refused: u64, failed: u64) -> Samples {
    let sum = accepted + refused + failed;
    let labels = |status: u16| format!("method=\"POST\",route=\"/v1/orders/checkout\",status=\"{status}\"");
    let text = format!(
        "edge_checkouts_total{{status=\"201\"}} {accepted}\nedge_checkouts_total{{status=\"409\"}} {refused}\n\
         edge_checkouts_total{{status=\"503\"}} {failed}\nedge_cache_total{{result=\"hit\"}} {}\nedge_cache_total{{result=\"miss\"}} 5\n\
         {DURATIONS}_count{{{}}} {}\n{DURATIONS}_count{{{}}} {failed}\n{DURATIONS}_bucket{{{},le=\"0.1\"}} {sum}\n\
         {DURATIONS}_bucket{{{},le=\"+Inf\"}} {sum}\n",
        10 * sum,
        labels(201),
        accepted + refused,
        labels(503),
        labels(201),
        labels(201),
    );
    Samples::parse(&text).unwrap()
}

/// Three regions, led from `us`, which `ap` does not follow: it is cut off, in an older term.
pub(in crate::watch) fn reading(steady_ms: u64, edge: Samples) -> Reading {
    let processes = vec![
        process("postgres", ProcessKind::Postgres, "eu"),
        process("inventory-eu", ProcessKind::Inventory, "eu"),
        process("inventory-us", ProcessKind::Inventory, "us"),
        process("inventory-ap", ProcessKind::Inventory, "ap"),
        process("edge-eu", ProcessKind::Edge, "eu"),
        process("redis-eu", ProcessKind::Redis, "eu"),
    ];
    let said = |presence, view, metrics| Said { presence, view, metrics };
    let said = BTreeMap::from([
        ("postgres".to_owned(), said(Presence::Up, None, None)),
        ("inventory-eu".to_owned(), said(Presence::Up, Some(view(1, NodeState::Follower, 4, "inventory-us", (120, 118))), None)),
        ("inventory-us".to_owned(), said(Presence::Up, Some(view(2, NodeState::Leader, 4, "inventory-us", (121, 121))), None)),
        ("inventory-ap".to_owned(), said(Presence::NotReady, Some(view(3, NodeState::Candidate, 3, "", (90, 90))), None)),
        ("edge-eu".to_owned(), said(Presence::Up, None, Some(edge))),
        ("redis-eu".to_owned(), said(Presence::Silent, None, None)),
    ]);
    Reading {
        at_ms: 1_790_000_000_000,
        steady_ms,
        topology: Topology {
            name: "default".to_owned(),
            supervisor_pid: 1,
            supervisor_started: 1,
            processes,
            links: Vec::new(),
            databases: BTreeMap::new(),
            inventory_tls: None,
        },
        said,
        faults: vec![FaultNow {
            id: "process.pause-1a2b3c4d".to_owned(),
            what: "paused".to_owned(),
            at: vec!["redis-eu".to_owned()],
            left_ms: 4_200,
        }],
        complaints: Vec::new(),
    }
}

pub(in crate::watch) fn picture() -> Picture {
    let (before, now) = (reading(1_000, edge_metrics(100, 10, 1)), reading(3_000, edge_metrics(150, 12, 2)));
    Picture::of(Some(&before), &now)
}

#[test]
fn the_newest_view_tells_who_leads_and_how_far_the_others_are_behind() {
    let picture = picture();
    assert_eq!((picture.leader.as_deref(), picture.term), (Some("inventory-us"), Some(4)));
    let lags: Vec<_> = picture.nodes.iter().map(|node| (node.name.as_str(), node.term, node.lag_entries)).collect();
    assert_eq!(
        lags,
        [("inventory-eu", Some(4), Some(3)), ("inventory-us", Some(4), Some(0)), ("inventory-ap", Some(3), Some(31))]
    );
    assert!(picture.is_ailing());
}

#[test]
fn rates_are_over_the_time_between_two_looks() {
    let picture = picture();
    let shop = picture.shop;
    assert_eq!((shop.accepted_per_s, shop.refused_per_s, shop.failed_per_s), (Some(25.0), Some(1.0), Some(0.5)));
    assert!(shop.p50_ms.is_some_and(|p50| (p50 - 50.0).abs() < 1e-9), "evenly in the one bucket up to 100 ms: {shop:?}");
    let edge = picture.services.iter().find(|service| service.name == "edge-eu").and_then(|edge| edge.served).unwrap();
    // 53 checkouts and 530 hits in two seconds.
    assert_eq!((edge.requests_per_s, edge.errors_per_s), (26.5 + 265.0, 0.5));
    assert!(picture.services.iter().filter(|service| service.name != "edge-eu").all(|service| service.served.is_none()));
}

#[test]
fn without_a_look_before_there_are_no_rates_and_a_restart_counts_from_nothing() {
    let (first, anew) = (reading(1_000, edge_metrics(100, 0, 0)), reading(2_000, edge_metrics(7, 0, 0)));
    let alone = Picture::of(None, &first);
    assert_eq!(alone.shop, Shop::default());
    assert!(alone.services.iter().all(|service| service.served.is_none()));
    assert_eq!(Picture::of(Some(&first), &anew).shop.accepted_per_s, Some(7.0));
    assert_eq!(Picture::of(Some(&first), &first).shop, Shop::default(), "no time went by");
}

#[test]
fn who_was_not_heard_is_silent_and_nobody_leads_without_a_view() {
    let mut quiet = reading(1_000, Samples::default());
    quiet.said.retain(|name, _| !name.starts_with("inventory"));
    let picture = Picture::of(None, &quiet);
    assert_eq!((picture.leader, picture.term), (None, None));
    assert!(picture.nodes.iter().all(|node| node.presence == Presence::Silent && node.lag_entries.is_none()));
}

#[test]
fn a_program_reads_what_was_written() {
    let picture = picture();
    let line = serde_json::to_string(&picture).unwrap();
    assert_eq!(serde_json::from_str::<Picture>(&line).unwrap(), picture);
    assert!(line.contains("\"presence\":\"not_ready\"") && !line.contains('\n'));
}
