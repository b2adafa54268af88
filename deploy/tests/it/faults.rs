//! `chaos doctor`, `list`, `inject` and `heal` against a running topology: what is broken is seen to be broken, and heals.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use deploy::Spec;
use inventory_api::Member;
use serde_json::Value;
use storefront_types::CallContext;
use uuid::Uuid;

use super::{
    books::at_rest,
    running::{Running, eventually},
};

/// `chaos` lies beside `deploy`.
fn chaos(running: &Running, arguments: &[&str]) -> Command {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_deploy")).with_file_name("chaos"));
    command.args(arguments).arg("--topology").arg(running.place.topology_file()).stdin(Stdio::null());
    command
}

fn run(running: &Running, arguments: &[&str]) -> Output {
    chaos(running, arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{:?} {}{}", output.status.code(), String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Faults that are held now, of processes and of links.
fn active(running: &Running) -> usize {
    let output = run(running, &["list", "--output", "json"]);
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output)));
    ["processes", "links"].iter().map(|of| said["active"][of].as_array().unwrap().len()).sum()
}

async fn is_whole(running: &Running) {
    eventually("everything to run", async || {
        running.topology().processes.iter().all(|process| process.pid.is_some_and(|pid| state(pid) != Some('T'))).then_some(())
    })
    .await;
    assert_eq!(active(running), 0);
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

async fn start() -> Running {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/topologies/one-store.toml"));
    Running::of(Spec::read(Some(file)).unwrap().with_links().with_fault_points()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_seen_to_take_effect_and_heals() {
    let running = start().await;
    let doctor = run(&running, &["doctor"]);
    assert!(doctor.status.success(), "{}", text(&doctor));
    for (fault, target, parameters) in [
        ("process.kill", "redis", &[][..]),
        ("process.pause", "postgres", &[]),
        ("process.slow", "edge:eu", &["stopped_percent=60"]),
        ("process.slow-start", "orders", &["stopped_percent=50"]),
        ("process.rolling-restart", "inventory", &[]),
        ("partition.isolate", "random(follower)", &[]),
        ("partition.one-way", "leader", &[]),
        ("partition.halves", "leader", &[]),
        ("partition.bridge", "leader", &[]),
        ("link.latency", "orders", &["latency_ms=40", "jitter_ms=10"]),
        ("link.bandwidth", "inventory", &["bytes_per_s=20000"]),
        ("link.black-hole", "catalog", &[]),
        ("link.reset", "orders", &[]),
        ("link.refuse", "redis", &[]),
        ("clock.skew", "random(follower)", &["offset_ms=-120000"]),
        ("disk.full", "random(follower)", &[]),
        ("disk.sync-fails", "leader", &[]),
        ("member.demote", "leader", &[]),
        ("leader.transfer", "random(follower)", &[]),
    ] {
        let mut arguments = vec!["inject", fault, "--target", target, "--for", "100ms", "--seed", "7"];
        parameters.iter().for_each(|parameter| arguments.extend(["--set", parameter]));
        running.leader().await;
        let output = run(&running, &arguments);
        assert!(output.status.success(), "{fault}: {}", text(&output));
        is_whole(&running).await;
    }
    at_rest(&running).await;
}

/// A fault that is in effect, by a program that still runs.
async fn injected(running: &Running, arguments: &[&str]) -> Child {
    let child = chaos(running, arguments).stdout(Stdio::null()).spawn().unwrap();
    eventually("the fault", async || (active(running) == 1).then_some(())).await;
    child
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_broken_heals_whatever_becomes_of_whoever_broke_it() {
    let running = start().await;
    let pause = ["inject", "process.pause", "--target", "redis", "--for", "10m", "--lease", "2s"];
    let cut = ["inject", "partition.isolate", "--target", "follower", "--for", "10m", "--lease", "2s"];
    let down = ["inject", "process.kill", "--target", "orders", "--for", "10m", "--lease", "2s"];
    for fault in [&pause, &cut, &down] {
        let mut tool = injected(&running, fault).await;
        tool.kill().unwrap();
        tool.wait().unwrap();
        eventually("the lease to be over", async || (active(&running) == 0).then_some(())).await;
        is_whole(&running).await;
    }
    membership_heals(&running).await;
    for signal in ["-INT", "-TERM"] {
        let mut tool = injected(&running, &cut).await;
        assert!(Command::new("kill").args([signal, &tool.id().to_string()]).status().unwrap().success());
        assert!(tool.wait().unwrap().success(), "{signal}: it did not heal what it broke");
        is_whole(&running).await;
    }
    let for_a_while =
        |fault: &[&'static str]| fault.iter().map(|word| if *word == "10m" { "20s" } else { *word }).collect::<Vec<_>>();
    let mut tools = vec![injected(&running, &for_a_while(&pause)).await];
    tools.push(chaos(&running, &for_a_while(&cut)).stdout(Stdio::null()).spawn().unwrap());
    eventually("both faults", async || (active(&running) == 2).then_some(())).await;
    for healed in ["2 faults are healed", "nothing was broken"] {
        let output = run(&running, &["heal", "--all"]);
        assert!(output.status.success() && text(&output).contains(healed), "{}", text(&output));
    }
    is_whole(&running).await;
    for mut tool in tools {
        assert_eq!(tool.wait().unwrap().code(), Some(3), "a fault that ended before its time was called one");
    }
    refusals(&running);
    at_rest(&running).await;
}

/// Names of the voters, as whoever leads has them.
async fn voters(running: &Running) -> Option<Vec<String>> {
    let topology = running.topology();
    let client = chaos::audit::inventory(&topology).unwrap();
    let view = client.cluster(&CallContext::background(Uuid::new_v4())).await.ok()?;
    let name = |member: &Member| topology.processes.iter().find(|process| process.http == member.address).unwrap().name.clone();
    view.leader.as_ref().map(|_| view.voters().map(name).collect())
}

async fn voters_are(running: &Running, count: usize) -> Vec<String> {
    eventually("so many voters", async || voters(running).await.filter(|voters| voters.len() == count)).await
}

/// A vote comes back when the tool was killed, also while nobody leads who could give it.
async fn membership_heals(running: &Running) {
    let demote = ["inject", "member.demote", "--target", "random(follower)", "--for", "10m", "--lease", "2s"];
    let mut tool = injected(running, &demote).await;
    let left = voters_are(running, 2).await;
    for (target, says) in
        [("leader", "would have 1 voters"), ("random(follower)", "is the least"), ("edge", "no node of the inventory")]
    {
        let output = run(running, &["inject", "member.demote", "--target", target]);
        assert!(output.status.code() == Some(1) && text(&output).contains(says), "{target}: {}", text(&output));
    }
    // Of two voters one: nothing can be decided until it is back, and the vote is still owed.
    let leader = running.leader().await;
    assert!(left.contains(&leader), "{leader} has no vote and leads");
    running.kill(&leader).await;
    tool.kill().unwrap();
    tool.wait().unwrap();
    eventually("the vote to be owed", async || {
        let said = text(&run(running, &["list"]));
        said.contains("vote-of-").then_some(())
    })
    .await;
    running.start_process(&leader).await;
    voters_are(running, 3).await;
    eventually("nothing to be owed", async || (active(running) == 0).then_some(())).await;
    is_whole(running).await;
}

/// What cannot be done is told.
fn refusals(running: &Running) {
    for (arguments, code, says) in [
        (&["inject", "process.sleep", "--target", "leader"][..], 2, "process.pause"),
        (&["inject", "process.kill", "--target", "edge:"], 2, "is no target"),
        (&["inject", "process.kill", "--target", "edge:mars"], 1, "nobody here"),
        (&["inject", "link.latency", "--target", "leader", "--set", "delay=3"], 2, "latency_ms"),
        (&["inject", "process.kill", "--target", "leader", "--for", "10"], 2, "500ms, 10s, 5m or 1h"),
        (&["inject", "disk.full", "--target", "redis"], 1, "is no node of the inventory"),
        (&["inject", "partition.ring", "--target", "leader"], 1, "takes 5 regions"),
    ] {
        let output = run(running, arguments);
        assert!(output.status.code() == Some(code) && text(&output).contains(says), "{arguments:?}: {}", text(&output));
        assert_eq!(active(running), 0);
    }
}
