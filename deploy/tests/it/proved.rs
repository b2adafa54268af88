//! A topology under load, its leader killed in the middle, and the proof from what clients recorded; as a drill does it.

use std::{ops::Range, path::Path, process::Command, sync::Arc, time::Duration};

use chaos::{
    audit,
    check::Outcome,
    history::{Op, Operation, Out},
    prove::{Evidence, Expected, prove},
    run::{Fault, Grade, Run},
    workload::{Besides, Meter, Plan, drive_with},
};
use indicatif::ProgressBar;
use tokio::time::Instant;

use super::{
    books::{at_rest, receive},
    running::{Running, eventually},
};

/// Shoppers come until they are told not to, or for so long.
const SHOPPING: Duration = Duration::from_secs(600);

/// Checkouts that have to be answered before, without, and with the one who led.
const SOME: u64 = 10;

/// The program beside the others.
fn chaos() -> Command {
    let target = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("chaos");
    Command::new(target)
}

fn check(history: &Path, more: &[&str]) -> (Option<i32>, serde_json::Value) {
    let answer = chaos().arg("check").arg(history).args(["--output", "json"]).args(more).output().unwrap();
    (answer.status.code(), serde_json::from_slice(&answer.stdout).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_clients_recorded_proves_that_a_killed_leader_lost_nothing() {
    let running = Running::start().await;
    receive(&running, "SALE-1", 60).await;
    let folder = tempfile::tempdir().unwrap();
    let (history, shop) = (folder.path().join("history.jsonl"), folder.path().join("shop.jsonl"));
    let plan = Plan { rate: 6.0, deals: 15.0, time: SHOPPING, seed: 7, history: history.clone(), shop: shop.clone() };
    let (topology, meter) = (running.topology(), Arc::new(Meter::new(Instant::now())));
    let progress = ProgressBar::hidden();
    let (stop, besides) = Besides::new(0.0, None);
    let answered = async |what: &str, since_ms: u64| {
        let seconds: Range<u64> = since_ms / 1_000 + 1..u64::MAX;
        eventually(what, async || (meter.summary(Some("checkout"), seconds.clone()).ok >= SOME).then_some(())).await;
    };
    let breaking = async {
        answered("checkouts", 0).await;
        let target = running.leader().await;
        let from_ms = meter.now() / 1_000_000;
        running.kill(&target).await;
        answered("checkouts of another leader", from_ms).await;
        running.start_process(&target).await;
        let to_ms = meter.now() / 1_000_000;
        answered("checkouts with all of them", to_ms).await;
        stop.send(true).unwrap();
        let (name, proof) = ("process.kill".to_owned(), Some("the process is gone".to_owned()));
        Fault { name, target, from_ms, to_ms: Some(to_ms), proof, ..Fault::default() }
    };
    let (driven, fault) = tokio::join!(drive_with(&topology, &plan, besides, &meter, &progress), breaking);
    let driven = driven.unwrap();
    at_rest(&running).await;
    let books = audit::read(&running.topology()).await.unwrap();
    let (samples, reigns, length_ms) = (driven.samples, driven.reigns, driven.length_ms);
    let mut run = Run { faults: vec![fault], samples, reigns, length_ms, load: driven.load, ..Run::default() };
    let evidence = Evidence { history: &driven.history, shop: &driven.shop, books: Some(&books) };
    // Pages of a region whose node is away are older; how old is not what this is about.
    let proof = prove(&evidence, &run, &Expected { stale_ms: 60_000, ..Expected::default() });
    run.proved(proof);
    assert_eq!(run.grade(), Grade::Pass, "{:#?}", run.checks);
    assert!(run.checks.iter().all(|check| check.outcome == Outcome::Pass), "{:#?}", run.checks);
    let sold = driven.history.iter().filter(|line| line.op == Op::Purchase && line.out == Out::Ok).count();
    assert!(sold > 5 && run.rpo_ops == 0, "{sold} sold");
    let came_back = &run.recovery.as_ref().unwrap().faults[0];
    assert!(came_back.elected_ms.is_some() && came_back.rto_ms.is_some(), "{came_back:?} {:?}", run.reigns);
    let shop = shop.to_str().unwrap();
    let (code, report) = check(&history, &["--shop", shop, "--stale-ms", "60000"]);
    assert_eq!((code, &report["verdict"]), (Some(0), &"PASS".into()), "{report}");
    planted(folder.path(), driven.history, shop);
}

/// The same history with one answer that is not true: one more unit sold than there was, by somebody who was told so.
fn planted(folder: &Path, mut history: Vec<Operation>, shop: &str) {
    let read = history.iter().rfind(|line| line.op == Op::Read && line.out == Out::Ok).unwrap().clone();
    let (qty, at) = (read.value.unwrap() + 1, read.ret.unwrap() + 1);
    let planted = Operation {
        client: 99,
        op: Op::Purchase,
        id: "planted".to_owned(),
        qty,
        call: at,
        ret: Some(at + 1),
        value: None,
        ver: None,
        ..read
    };
    history.push(planted);
    let lines: Vec<String> = history.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    let path = folder.join("planted.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let (code, report) = check(&path, &["--shop", shop, "--stale-ms", "60000"]);
    assert_eq!((code, &report["verdict"]), (Some(4), &"FAIL".into()), "{report}");
    let checks = report["checks"].as_array().unwrap();
    let told = |name: &str| checks.iter().find(|check| check["check"] == name).unwrap()["violations"].to_string();
    assert!(told("linearizable").contains("id planted") && told("no_oversell").contains("id planted"), "{report}");
}

#[test]
fn a_file_that_is_no_history_is_named_and_wrong_usage_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.jsonl");
    std::fs::write(&path, "{\"client\": 1}\n").unwrap();
    let answer = chaos().arg("check").arg(&path).output().unwrap();
    let told = String::from_utf8_lossy(&answer.stderr).into_owned();
    assert!(answer.status.code() == Some(1) && told.contains("wrong.jsonl:1: not a line of a history: missing field"), "{told}");
    assert_eq!(chaos().args(["check"]).output().unwrap().status.code(), Some(2));
}
