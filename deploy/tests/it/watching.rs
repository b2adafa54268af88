//! `chaos watch` and the operators' page of a running topology, with a node that is killed and a fault that is in effect.

use std::process::Output;

use deploy::Spec;
use deploy_api::Control;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use super::running::{Running, eventually};

async fn chaos(running: &Running, arguments: &[&str]) -> Output {
    let program = std::path::PathBuf::from(env!("CARGO_BIN_EXE_deploy")).with_file_name("chaos");
    let mut command = Command::new(program);
    command.args(arguments).arg("--topology").arg(running.place.topology_file());
    command.kill_on_drop(true).output().await.unwrap()
}

async fn seen(running: &Running) -> (Option<i32>, Value) {
    let output = chaos(running, &["watch", "--once", "--output", "json"]).await;
    let picture = serde_json::from_slice(&output.stdout);
    (output.status.code(), picture.unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// How a process is, in a picture.
fn presence<'a>(picture: &'a Value, name: &str) -> &'a str {
    let all = picture["nodes"].as_array().unwrap().iter().chain(picture["services"].as_array().unwrap());
    all.into_iter().find(|one| one["name"] == name).unwrap()["presence"].as_str().unwrap()
}

/// The newest picture that an edge's page is sent.
async fn shown(http: &Client, admin: &str) -> Value {
    let mut answer = http.get(format!("http://{admin}/operate/v1/stream")).send().await.unwrap();
    let mut heard = String::new();
    loop {
        let piece = answer.chunk().await.unwrap().expect("the stream ended without a picture");
        heard.push_str(std::str::from_utf8(&piece).unwrap());
        let picture = heard.split("event: picture\ndata: ").nth(1).and_then(|rest| rest.split_once('\n'));
        if let Some((picture, _)) = picture {
            return serde_json::from_str(picture).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_seen_is_what_is_there_also_with_a_node_dead_and_a_process_stopped() {
    let running = Running::of(Spec::read(None).unwrap().with_drills()).await;
    let leader = running.leader().await;
    let whole = eventually("a picture without a fault", async || {
        let (code, picture) = seen(&running).await;
        (code == Some(0)).then_some(picture)
    })
    .await;
    assert_eq!(whole["leader"], json!(leader));
    assert!(whole["nodes"].as_array().unwrap().iter().all(|node| node["term"] == whole["term"] && node["served"].is_object()));
    assert_eq!((presence(&whole, "postgres"), presence(&whole, "drills")), ("up", "up"));

    let dead = whole["nodes"].as_array().unwrap().iter().map(|node| node["name"].as_str().unwrap()).find(|name| *name != leader);
    let dead = dead.unwrap().to_owned();
    running.kill(&dead).await;
    let hold = chaos_hold(&running);
    let (code, hurt) = seen(&running).await;
    assert_eq!((code, presence(&hurt, &dead), presence(&hurt, "redis-eu")), (Some(3), "down", "silent"), "{hurt}");
    let fault = &hurt["faults"][0];
    assert_eq!((&fault["id"], &fault["what"], &fault["at"]), (&json!("test-pause"), &json!("paused"), &json!(["redis-eu"])));

    let (http, topology) = (Client::new(), running.topology());
    let admin = topology.process("edge-us").unwrap().admin.clone().unwrap();
    let page = shown(&http, &admin).await;
    assert_eq!((presence(&page, &dead), presence(&page, "redis-eu")), ("down", "silent"), "{page}");
    hold.heal("test-pause").unwrap();
    a_drill_is_started(&running, &http, &admin).await;
}

fn chaos_hold(running: &Running) -> Control {
    let control = running.place.control().unwrap();
    let hold = deploy_api::Hold {
        id: "test-pause".to_owned(),
        processes: vec!["redis-eu".to_owned()],
        fault: deploy_api::ProcessFault::Paused,
        lease_ms: 60_000,
    };
    control.hold(hold).unwrap();
    control
}

/// One that there is not: it is the controller and the program that are tried.
async fn a_drill_is_started(running: &Running, http: &Client, admin: &str) {
    let token = running.place.control().unwrap().token().to_owned();
    let drills = format!("http://{admin}/operate/v1/drills");
    let order = || http.request(Method::POST, &drills).json(&json!({"drill": "no-such-drill"}));
    assert_eq!(order().send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    let started = order().bearer_auth(&token).send().await.unwrap();
    assert_eq!(started.status(), StatusCode::ACCEPTED);
    let run = eventually("the drill to end", async || {
        let runs: Value = http.get(&drills).send().await.unwrap().json().await.unwrap();
        let run = runs["runs"][0].clone();
        (run["state"] == "ended").then_some(run)
    })
    .await;
    assert!(run["verdict"] != "PASS" && run["said"].as_str().unwrap().contains("drill"), "{run}");
}
