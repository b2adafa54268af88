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
    let client = chaos::audit::inventory(topology).unwrap();
    let context = storefront_types::CallContext::background(uuid::Uuid::new_v4());
    let page = tokio::runtime::Runtime::new().unwrap().block_on(client.stock_page(&context, 1, None)).unwrap();
    serde_json::to_string(&page.items[0].locations).unwrap()
}

/// The inventory speaks to whoever shows a certificate of the topology's authority, and to nobody else.
fn is_closed(topology: &Topology) {
    use std::os::unix::fs::PermissionsExt;
    let files = topology.inventory_tls.as_ref().unwrap();
    for key in [&files.key, &files.ca.with_extension("key")] {
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600, "{}", key.display());
    }
    let url = format!("http://{}/v1/cluster", topology.http_of(ProcessKind::Inventory)[0]);
    let asked = async { reqwest::get(url).await.is_err() };
    assert!(tokio::runtime::Runtime::new().unwrap().block_on(asked), "an answer in plaintext");
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
    is_closed(&first);
    let authority = std::fs::read(&first.inventory_tls.as_ref().unwrap().ca).unwrap();
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
    assert_eq!(again.inventory_tls, first.inventory_tls);
    assert_eq!(std::fs::read(&again.inventory_tls.unwrap().ca).unwrap(), authority, "the authority stays");
}
