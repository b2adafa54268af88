//! `chaos serve`: who may ask, one drill at a time, and what is streamed of a topology of which nobody answers.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use chaos_api::{Run, RunState, Runs};
use futures_util::StreamExt;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use storefront_service::testing::eventually;

const TOKEN: &str = "a-token-of-the-controller";

/// Says what it was asked for; `flash-sale` goes on until it is interrupted, as a drill does.
const PROGRAM: &str = "#!/bin/sh\necho \"asked: $*\"\n\
    trap 'echo healed; exit 6' INT\nif [ \"$2\" = flash-sale ]; then while true; do sleep 0.05; done; fi\n\
    if [ \"$2\" = disk-full ]; then exit 4; fi\n";

pub(crate) struct Controller {
    process: Child,
    url: String,
    folder: tempfile::TempDir,
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A topology whose processes are at these addresses.
pub(crate) fn topology(folder: &tempfile::TempDir, processes: Value) -> PathBuf {
    let file = folder.path().join("topology.json");
    let topology = json!({"name": "made-up", "supervisor_pid": 0, "processes": processes, "links": [], "databases": {}});
    std::fs::write(&file, topology.to_string()).unwrap();
    file
}

impl Controller {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let node = json!({"name": "inventory-eu", "kind": "inventory", "region": "eu", "pid": null, "http": "127.0.0.1:1", "admin": "127.0.0.1:1"});
        let file = topology(&folder, json!([node]));
        let program = folder.path().join("drill.sh");
        std::fs::write(&program, PROGRAM).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let mut process = Command::new(env!("CARGO_BIN_EXE_chaos"))
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--topology"])
            .arg(&file)
            .arg("--program")
            .arg(&program)
            .env("CONTROLLER_TOKEN", TOKEN)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut told = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        let address = told.find_map(|line| Some(line["http"].as_str()?.to_owned())).unwrap();
        // What it logs from now on is taken, so that it never waits for us.
        std::thread::spawn(move || told.for_each(drop));
        Self { process, url: format!("http://{address}"), folder }
    }

    async fn ask(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Client::new().request(method, format!("{}{path}", self.url)).bearer_auth(token);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let answer = request.send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    async fn start_drill(&self, name: &str) -> (StatusCode, Value) {
        self.ask(Method::POST, "/v1/drills", TOKEN, Some(json!({"drill": name, "region": "eu"}))).await
    }

    async fn ended(&self, id: u64) -> Run {
        eventually("the run's end", async || {
            let (_, runs) = self.ask(Method::GET, "/v1/drills", TOKEN, None).await;
            let runs: Runs = serde_json::from_value(runs).unwrap();
            runs.runs.into_iter().find(|run| run.id == id && run.state == RunState::Ended)
        })
        .await
    }
}

#[tokio::test]
async fn a_drill_is_run_as_a_program_and_its_exit_code_is_its_verdict() {
    let controller = Controller::start();
    for (name, verdict) in [("leader-loss", "PASS"), ("disk-full", "FAIL")] {
        let (status, run) = controller.start_drill(name).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{run}");
        let run = controller.ended(run["id"].as_u64().unwrap()).await;
        assert_eq!(run.verdict.as_deref(), Some(verdict));
        let topology = controller.folder.path().join("topology.json");
        let asked = format!("asked: drill {name} --topology {} --out {} --region eu\n", topology.display(), run.report);
        assert_eq!(run.said, asked);
        assert!(PathBuf::from(&run.report).is_dir() && run.ended_ms >= Some(run.began_ms));
    }
}

#[tokio::test]
async fn one_drill_runs_at_a_time_and_can_be_stopped() {
    let controller = Controller::start();
    let (status, none) = controller.ask(Method::DELETE, "/v1/drills/running", TOKEN, None).await;
    assert_eq!((status, &none["detail"]), (StatusCode::NOT_FOUND, &json!("no drill runs now")));
    let (_, first) = controller.start_drill("flash-sale").await;
    let (status, second) = controller.start_drill("leader-loss").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(second["type"].as_str().unwrap().ends_with("/drill-running"), "{second}");
    assert!(second["detail"].as_str().unwrap().contains("run 1, flash-sale, has not ended"), "{second}");
    let log = PathBuf::from(first["report"].as_str().unwrap()).join("drill.log");
    eventually("the drill", async || std::fs::read_to_string(&log).unwrap().contains("asked").then_some(())).await;
    assert_eq!(controller.ask(Method::DELETE, "/v1/drills/running", TOKEN, None).await.0, StatusCode::ACCEPTED);
    let run = controller.ended(1).await;
    assert_eq!((run.verdict.as_deref(), run.exit_code), (Some("ABORTED"), Some(6)));
    assert!(run.said.ends_with("healed\n"), "{}", run.said);
    assert_eq!(controller.start_drill("leader-loss").await.0, StatusCode::ACCEPTED);
    assert_eq!(controller.ended(2).await.verdict.as_deref(), Some("PASS"), "the stop was for the other one");
}

#[tokio::test]
async fn nobody_gets_in_without_the_token_and_nothing_but_names_into_a_command_line() {
    let controller = Controller::start();
    for (method, path) in [
        (Method::GET, "/v1/drills"),
        (Method::POST, "/v1/drills"),
        (Method::DELETE, "/v1/drills/running"),
        (Method::GET, "/v1/stream"),
    ] {
        for token in ["", "a-token-of-the-controllex"] {
            assert_eq!(controller.ask(method.clone(), path, token, None).await.0, StatusCode::FORBIDDEN, "{method} {path}");
        }
    }
    for (body, field) in [
        (json!({"drill": "--program=/bin/sh"}), "drill"),
        (json!({"drill": "a", "region": "../x"}), "region"),
        (json!({"drill": "a", "force": true}), "force"),
        (json!({}), "drill"),
    ] {
        let (status, said) = controller.ask(Method::POST, "/v1/drills", TOKEN, Some(body)).await;
        assert_eq!((status, &said["invalid_params"][0]["name"]), (StatusCode::BAD_REQUEST, &json!(field)), "{said}");
    }
}

#[tokio::test]
async fn runs_and_pictures_are_streamed_though_nobody_of_the_topology_answers() {
    let controller = Controller::start();
    let request = Client::new().get(format!("{}/v1/stream", controller.url)).bearer_auth(TOKEN);
    let answer = request.send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    let (mut pieces, mut heard) = (answer.bytes_stream(), String::new());
    let listen = async {
        while !heard.contains("event: picture") || !heard.contains("event: runs") || !heard.ends_with("\n\n") {
            heard.push_str(std::str::from_utf8(&pieces.next().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), listen).await.unwrap();
    let picture = heard.split("event: picture\ndata: ").nth(1).unwrap().lines().next().unwrap();
    let picture: Value = serde_json::from_str(picture).unwrap();
    assert_eq!((&picture["nodes"][0]["presence"], &picture["leader"]), (&json!("down"), &Value::Null), "{picture}");
    assert!(picture["complaints"][0].as_str().unwrap().contains("nothing is up"), "{picture}");
}
