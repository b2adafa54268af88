//! `chaos run`, `drill`, `plan`, `explain` and `abort` as operators use them: each verdict has its exit code, and what did not bite is no pass.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use chaos::drill::Marker;
use deploy::Spec;
use serde_json::Value;

use super::{
    books::receive,
    running::{Running, eventually},
};

pub(super) fn chaos() -> Command {
    let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_deploy")).with_file_name("chaos"));
    command.stdin(Stdio::null());
    command
}

pub(super) fn text(output: &Output) -> String {
    format!("{:?} {}{}", output.status.code(), String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A short one: few shoppers, no bound on times that a busy machine decides about.
fn experiment(folder: &Path, name: &str, step: &str) -> PathBuf {
    let path = folder.join(format!("{name}.toml"));
    let text = format!(
        "[experiment]\nname = \"{name}\"\nhypothesis = \"nothing is lost\"\nseed = 7\n\
         [load]\nrate = 4\ndeals = 8\n\
         [steady]\nwindow = \"3s\"\ncheckout_success = \">= 50%\"\nreplicas_level = true\n\
         [[step]]\n{step}\n\
         [expect]\nrpo_ops = 0\ninvariants = [\"no_oversell\", \"no_lost_ack\", \"conservation\", \"exactly_once\", \"linearizable\"]\n"
    );
    fs::write(&path, text).unwrap();
    path
}

pub(super) struct Place {
    running: Running,
    pub(super) folder: tempfile::TempDir,
}

impl Place {
    pub(super) async fn start() -> Self {
        let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/topologies/one-store.toml"));
        let running = Running::of(Spec::read(Some(file)).unwrap()).await;
        receive(&running, "SALE-1", 500).await;
        Self { running, folder: tempfile::tempdir().unwrap() }
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = chaos();
        command.args(arguments).arg("--topology").arg(self.running.place.topology_file());
        command
    }

    fn run(&self, file: &Path) -> Command {
        let out = self.folder.path().to_str().unwrap();
        let mut command = self.command(&["run", file.to_str().unwrap(), "--output", "json", "--out", out]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn is_paused(process: &deploy_api::Process) -> bool {
    let stat = process.pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok()).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|after| after.starts_with('T'))
}

pub(super) fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(output)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_leader_passes_and_what_did_not_bite_proves_nothing() {
    let place = Place::start().await;
    let kill = "at = \"0s\"\nfault = \"process.kill\"\ntarget = \"leader\"\nfor = \"4s\"\nproof = \"process_gone\"";
    let file = experiment(place.folder.path(), "leader-loss", kill);
    let planned = place.command(&["plan", file.to_str().unwrap(), "--output", "json"]).output().unwrap();
    assert!(planned.status.success() && said(&planned)["steps"][0]["now"][0].as_str().unwrap().starts_with("inventory"));
    let passed = place.run(&file).output().unwrap();
    let run = said(&passed);
    assert_eq!((passed.status.code(), &run["verdict"]), (Some(0), &"PASS".into()), "{}", text(&passed));
    let fault = &run["run"]["faults"][0];
    assert!(fault["proof"].as_str().unwrap().contains("is gone") && fault["to_ms"].is_u64(), "{fault}");
    let folder = PathBuf::from(run["folder"].as_str().unwrap());
    let page = fs::read_to_string(folder.join("report.html")).unwrap();
    assert!(page.contains("<div class=\"badge PASS\">") && page.contains("process.kill"));
    assert!(fs::read_to_string(folder.join("junit.xml")).unwrap().contains("name=\"linearizable\""));

    // Somebody else heals it: it did not last as long as it had to.
    let pause = "at = \"0s\"\nfault = \"process.pause\"\ntarget = \"random(follower)\"\nfor = \"8s\"";
    let run = place.run(&experiment(place.folder.path(), "cut-short", pause)).spawn().unwrap();
    eventually("the fault", async || place.running.topology().processes.iter().any(is_paused).then_some(())).await;
    assert!(place.command(&["heal", "--all"]).output().unwrap().status.success());
    let invalid = run.wait_with_output().unwrap();
    let run = said(&invalid);
    assert_eq!((invalid.status.code(), &run["verdict"]), (Some(5), &"INVALID".into()), "{}", text(&invalid));
    assert!(run["run"]["invalid"].as_str().unwrap().contains("before its time"), "{run}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_given_up_is_healed_at_once_and_is_no_pass() {
    let place = Place::start().await;
    let pause = "at = \"0s\"\nfault = \"process.pause\"\ntarget = \"random(follower)\"\nfor = \"10m\"";
    let run = place.run(&experiment(place.folder.path(), "given-up", pause)).spawn().unwrap();
    eventually("the fault", async || place.running.topology().processes.iter().any(is_paused).then_some(())).await;
    let second = place.run(&experiment(place.folder.path(), "second", pause)).output().unwrap();
    assert!(second.status.code() == Some(1) && text(&second).contains("\"given-up\" goes on"), "{}", text(&second));
    let aborted = place.command(&["abort"]).output().unwrap();
    assert!(aborted.status.success() && text(&aborted).contains("given-up is given up"), "{}", text(&aborted));
    assert!(!place.running.topology().processes.iter().any(is_paused), "abort came back before it was healed");
    let given_up = run.wait_with_output().unwrap();
    assert_eq!((given_up.status.code(), &said(&given_up)["verdict"]), (Some(6), &"ABORTED".into()), "{}", text(&given_up));
    assert_eq!(Marker::found(&place.running.place.topology_file()), None);
    assert_eq!(place.command(&["abort"]).output().unwrap().status.code(), Some(1));
}

#[test]
fn a_bad_experiment_is_told_by_file_and_line_and_unknown_names_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = experiment(folder.path(), "bad", "at = \"0s\"\nfault = \"process.kil\"\ntarget = \"leader\"\nfor = \"4s\"");
    let path = file.to_str().unwrap();
    for command in [&["run", path][..], &["plan", path], &["explain", path]] {
        let output = chaos().args(command).output().unwrap();
        let says = text(&output);
        assert!(output.status.code() == Some(2) && says.contains("bad.toml:14:9: "), "{command:?}: {says}");
        assert!(says.contains("did you mean \"process.kill\"?"), "{command:?}: {says}");
    }
    for (command, code, says) in [
        (&["drill", "leader-los"][..], 2, "there are leader-loss"),
        (&["drill", "leader-loss", "--region", "eu"], 2, "no parameter \"region\""),
        (&["drill", "leader-loss", "--name", "nobody-here"], 1, "--topology three-regions starts one"),
        (&["explain", "region-loss"], 0, "process.kill at region:eu for 20s"),
        (&["explain", "link.latency"], 0, "parameter latency_ms: 100 unless given, 1 to 60000"),
        (&["explain", "link.late"], 2, "is no fault"),
    ] {
        let output = chaos().args(command).output().unwrap();
        assert!(output.status.code() == Some(code) && text(&output).contains(says), "{command:?}: {}", text(&output));
    }
}
