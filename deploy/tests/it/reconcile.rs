//! `orders reconcile` by hand, after everything that would have done it by itself was killed.

use std::process::Command;

use chaos::{
    audit,
    check::{Heard, conservation},
    workload::Shopper,
};
use inventory_api::{LineRequest, PurchaseRequest};
use serde_json::Value;
use storefront_types::{CallContext, Quantity, ReservationId, Sku};
use uuid::Uuid;

use super::running::{Running, eventually};

/// Runs the program as an operator does; gives its exit code and what it says.
fn reconcile(running: &Running, output: &str) -> (i32, String) {
    let topology = running.topology();
    let files = topology.inventory_tls.as_ref().unwrap();
    let mut command = Command::new(std::path::Path::new(env!("CARGO_BIN_EXE_deploy")).with_file_name("orders"));
    command.args(["reconcile", "--output", output]).env("DATABASE_URL", &topology.databases["orders"]);
    command.env("INVENTORY", topology.http_of(deploy_api::ProcessKind::Inventory).join(","));
    command.env("INVENTORY_TLS_CA", &files.ca).env("INVENTORY_TLS_CERT", &files.cert).env("INVENTORY_TLS_KEY", &files.key);
    let done = command.output().unwrap();
    let said = if done.stdout.is_empty() { done.stderr } else { done.stdout };
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// Runs `chaos audit`; gives its exit code and the kinds of what it found.
fn audited(running: &Running) -> (i32, Vec<String>) {
    let mut command = Command::new(std::path::Path::new(env!("CARGO_BIN_EXE_deploy")).with_file_name("chaos"));
    command.args(["audit", "--output", "json", "--grace-s", "0", "--topology"]).arg(running.place.topology_file());
    let done = command.output().unwrap();
    let report: Value = serde_json::from_slice(&done.stdout).unwrap();
    let kinds = report["differences"].as_array().unwrap().iter().map(|found| found["kind"].as_str().unwrap().to_owned());
    let mut kinds: Vec<String> = kinds.collect();
    kinds.sort();
    (done.status.code().unwrap(), kinds)
}

/// Changes what no service would.
fn tamper(running: &Running, sql: &str) {
    let mut psql = Command::new("/usr/lib/postgresql/15/bin/psql");
    let done = psql.arg(&running.topology().databases["orders"]).args(["-v", "ON_ERROR_STOP=1", "-c", sql]).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

fn done(running: &Running) -> (i32, Value) {
    let (code, said) = reconcile(running, "json");
    (code, serde_json::from_str(&said).unwrap_or_else(|_| panic!("exit code {code}: {said}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_accepted_order_is_brought_to_rest_by_hand() {
    let running = Running::start_of("one-region").await;
    let edges = running.edges();
    let shopper = Shopper::register(reqwest::Client::new(), &edges[0]).await.unwrap();
    shopper.add(&edges[0], "CALM-1", 2).await.unwrap();
    running.kill("postgres").await;
    let heard = shopper.check_out_until_known(&edges, 0, &Uuid::new_v4().to_string(), 6).await;
    let Heard::Accepted(order) = heard else { panic!("{heard:?} while PostgreSQL is away") };
    // Accepted, and neither recorded nor anybody there to do it.
    running.kill("orders-eu").await;
    let (code, said) = reconcile(&running, "json");
    assert!(code == 1 && said.contains("PostgreSQL"), "exit code {code}: {said}");
    running.start_process("postgres").await;
    eventually("PostgreSQL takes queries", async || audit::read(&running.topology()).await.ok().map(drop)).await;

    let (code, first) = done(&running);
    assert_eq!((code, &first["recorded"], &first["foreign"]), (0, &1.into(), &0.into()), "{first}");
    assert_eq!(audit::orders_of(&running.topology(), "CALM-1").await.unwrap()[&order], 2);
    let books = audit::read(&running.topology()).await.unwrap();
    assert!(books.unrecorded.is_empty() && conservation(&books).is_empty(), "{books:?}");
    let (code, again) = done(&running);
    assert_eq!((code, &again["recorded"]), (0, &0.into()), "a second time changes nothing");

    // What no checkout made is left alone, and said.
    let (id, quantity) = (ReservationId::new(Uuid::now_v7()), Quantity::new(1).unwrap());
    let line = LineRequest { sku: Sku::parse("CALM-1").unwrap(), quantity, locations: Vec::new(), may_split: true };
    let client = audit::inventory(&running.topology()).unwrap();
    let purchase = PurchaseRequest { id, lines: vec![line], memo: Some("not an order".to_owned()) };
    client.purchase(&CallContext::background(Uuid::new_v4()), &purchase).await.unwrap();
    let (code, said) = reconcile(&running, "table");
    assert!(code == 4 && said.contains("foreign"), "exit code {code}: {said}");
    let books = audit::read(&running.topology()).await.unwrap();
    assert_eq!(books.unrecorded.get("CALM-1"), Some(&1));
    // An audit sees that too, and whatever else does not fit.
    assert_eq!(audited(&running), (4, vec!["order_not_recorded".to_owned()]));
    let effect = "insert into order_effect (id, order_id, version, kind, body, next_attempt_at)
        select id, id, 2, 'restock', '{\"sku\": \"CALM-1\", \"quantity\": 9}', now() - interval '1 hour' from shop_order";
    let steps = [
        (effect, vec!["order_not_recorded", "restock_pending", "restocked_too_much"]),
        (
            "delete from order_effect; update order_item set quantity = 3",
            vec!["order_not_recorded", "other_lines", "sold_not_ordered"],
        ),
        ("delete from order_item", vec!["order_not_recorded", "order_without_items", "sold_not_ordered"]),
        ("delete from shop_order", vec!["order_lost", "order_not_recorded", "sold_not_ordered"]),
    ];
    for (sql, kinds) in steps {
        tamper(&running, sql);
        assert_eq!(audited(&running), (4, kinds.into_iter().map(str::to_owned).collect()), "{sql}");
    }
}
