//! `cargo deploy` as an operator uses it.

use std::process::{Command, Output};

use deploy_api::{ProcessKind, Topology};

fn run(name: &str, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_deploy")).args(arguments).args(["--name", name]).output().unwrap()
}

fn status(name: &str) -> Option<Topology> {
    serde_json::from_slice(&run(name, &["status", "--output", "json"]).stdout).ok()
}

/// Registers the same address each time: 201 when it is new, 200 when the data has it.
fn register(topology: &Topology) -> u16 {
    let url = format!("http://{}/v1/users/register", topology.http_of(ProcessKind::Edge)[0]);
    let body = serde_json::json!({"email": "kept@example.org", "phone_number": "+4930123456"});
    let ask = async { reqwest::Client::new().post(url).json(&body).send().await.unwrap().status().as_u16() };
    tokio::runtime::Runtime::new().unwrap().block_on(ask)
}

/// Units of the first SKU that the inventory received, and their version.
fn first_stock(topology: &Topology) -> String {
    let url = format!("http://{}/v1/stock?limit=1", topology.http_of(ProcessKind::Inventory)[0]);
    let ask = async {
        reqwest::get(url).await.unwrap().json::<serde_json::Value>().await.unwrap()["items"][0]["locations"].to_string()
    };
    tokio::runtime::Runtime::new().unwrap().block_on(ask)
}

/// Brings a topology down whatever happens.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        run(&self.0, &["down"]);
        let place = deploy::Place::of(&self.0).unwrap();
        let _ = std::fs::remove_dir_all(place.topology_file().parent().unwrap());
    }
}

#[test]
fn up_kill_start_down_and_up_again_keeps_the_data() {
    let named = Named(format!("launcher-{}", std::process::id()));
    let name = named.0.as_str();
    assert_eq!(run(name, &["status"]).status.code(), Some(1));
    let up = run(name, &["up", "--detach"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    assert!(String::from_utf8_lossy(&up.stdout).contains("open http://127.0.0.1:"));
    let first = status(name).unwrap();
    assert_eq!(first.http_of(ProcessKind::Edge).len(), 3);
    let stock = first_stock(&first);
    assert!(register(&first) == 201 && stock.contains("on_hand"));
    assert!(!run(name, &["up", "--detach"]).status.success(), "one name was started twice");
    assert!(run(name, &["kill", "inventory-eu"]).status.success());
    assert_eq!(run(name, &["status"]).status.code(), Some(3));
    assert!(run(name, &["start", "inventory-eu"]).status.success());
    assert!(!run(name, &["kill", "nobody"]).status.success());
    assert!(String::from_utf8_lossy(&run(name, &["logs", "inventory-eu"]).stdout).contains("process starts"));
    assert!(run(name, &["down"]).status.success());
    assert!(status(name).is_none());
    assert!(run(name, &["up", "--detach"]).status.success());
    let again = status(name).unwrap();
    assert_eq!(again.http_of(ProcessKind::Orders), first.http_of(ProcessKind::Orders), "ports are remembered");
    assert_eq!((register(&again), first_stock(&again)), (200, stock), "the data survives");
}
