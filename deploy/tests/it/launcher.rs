//! `cargo deploy` as an operator uses it.

use std::process::{Command, Output};

use deploy_api::{ProcessKind, Topology};

fn deploy(name: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deploy")).args(arguments).args(["--name", name]).output().unwrap()
}

fn status(name: &str) -> Option<Topology> {
    serde_json::from_slice(&deploy(name, &["status", "--output", "json"]).stdout).ok()
}

/// Brings a topology down whatever happens.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        deploy(&self.0, &["down"]);
    }
}

#[test]
fn up_kill_start_down_and_up_again_keeps_the_data() {
    let named = Named(format!("launcher-{}", std::process::id()));
    let name = named.0.as_str();
    assert_eq!(deploy(name, &["status"]).status.code(), Some(1));
    let up = deploy(name, &["up", "--detach"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    assert!(String::from_utf8_lossy(&up.stdout).contains("open http://127.0.0.1:"));
    let first = status(name).unwrap();
    assert_eq!(first.http_of(ProcessKind::Edge).len(), 3);
    assert!(!deploy(name, &["up", "--detach"]).status.success(), "one name was started twice");
    assert!(deploy(name, &["kill", "inventory-eu"]).status.success());
    assert_eq!(deploy(name, &["status"]).status.code(), Some(3));
    assert!(deploy(name, &["start", "inventory-eu"]).status.success());
    assert!(!deploy(name, &["kill", "nobody"]).status.success());
    assert!(String::from_utf8_lossy(&deploy(name, &["logs", "inventory-eu"]).stdout).contains("process starts"));
    assert!(deploy(name, &["down"]).status.success());
    assert!(status(name).is_none());
    assert!(deploy(name, &["up", "--detach"]).status.success());
    let again = status(name).unwrap();
    assert_eq!(again.http_of(ProcessKind::Orders), first.http_of(ProcessKind::Orders), "ports are remembered");
}
