//! What an operator does with a cluster.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use inventory_api::{Consistency, InventoryClient, LineRequest, OutcomeCode, PurchaseRequest, ReceiveRequest, ReserveRequest};
use serde_json::Value;
use storefront_types::{CallContext, CommandId, Quantity, ReservationId, Sku};
use uuid::Uuid;

use super::process::{Cluster, eventually, text};

fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

fn cup() -> Sku {
    Sku::parse("cup").unwrap()
}

fn lines() -> Vec<LineRequest> {
    vec![LineRequest { sku: cup(), quantity: Quantity::new(1).unwrap(), locations: Vec::new(), may_split: true }]
}

async fn receive(client: &InventoryClient, units: u32) {
    let (id, location) = (CommandId::new(Uuid::now_v7()), "eu-1".parse().unwrap());
    let request = ReceiveRequest { id, sku: cup(), location, quantity: Quantity::new(units).unwrap() };
    client.receive(&context(), &request).await.unwrap();
}

async fn buy(client: &InventoryClient) -> bool {
    let request = PurchaseRequest { id: ReservationId::new(Uuid::now_v7()), lines: lines(), memo: None };
    client.purchase(&context(), &request).await.is_ok_and(|outcome| outcome.outcome == OutcomeCode::Ok)
}

fn started(cluster_id: &'static str, count: u64, first: usize, arguments: &[&str]) -> Cluster {
    let mut cluster = Cluster::new(cluster_id, count, arguments);
    for id in 1..=count {
        cluster.start(id, first);
    }
    cluster.insist(&["status"]);
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_grows_from_three_to_five_and_back_under_load_and_loses_no_request() {
    let cluster = started("grow", 5, 3, &[]);
    let client = InventoryClient::new(cluster.addresses());
    receive(&client, 1_000_000).await;
    let (stop, bought, failed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (stopped, counted, lost) = (stop.clone(), bought.clone(), failed.clone());
    let buyer = client.clone();
    let buying = tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            let count = if buy(&buyer).await { &counted } else { &lost };
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    for id in ["4", "5"] {
        let node = &cluster.nodes[id.parse::<usize>().unwrap() - 1];
        let (client, raft) = (node.client.clone(), node.raft.clone());
        let add = ["members", "add-learner", "--id", id, "--region", "new", "--client", &client, "--raft", &raft];
        cluster.ask(&add);
        cluster.refused(1, "is a member already", &add);
        cluster.insist(&["members", "promote", "--id", id]);
    }
    let roles = |view: &Value| view.as_array().unwrap().iter().filter(|member| member["role"] == "voter").count();
    assert_eq!(roles(&cluster.ask(&["members", "list"])), 5);
    cluster.ask(&["transfer-leader", "--to", "5"]);
    let hashes = cluster.ask(&["hash"]);
    assert_eq!(hashes.as_array().unwrap().len(), 5);
    // The leader goes first: its successor finishes the work.
    for id in ["5", "1"] {
        cluster.insist(&["members", "remove", "--id", id]);
    }
    assert_eq!(roles(&cluster.ask(&["members", "list"])), 3);
    let again = ["members", "add-learner", "--id", "5", "--region", "new", "--client", "127.0.0.1:1", "--raft", "127.0.0.1:2"];
    cluster.refused(1, "was used before", &again);
    stop.store(true, Ordering::Relaxed);
    buying.await.unwrap();
    assert_eq!(failed.load(Ordering::Relaxed), 0, "a request was lost that its client repeated");
    let stock = client.stock(&context(), &cup(), Consistency::Linearizable).await.unwrap().unwrap();
    assert_eq!(stock.totals.sold, bought.load(Ordering::Relaxed) as u64);
}

fn role(cluster: &Cluster, id: u64) -> String {
    let members = cluster.ask(&["members", "list"]);
    members.as_array().unwrap().iter().find(|member| member["id"] == id).unwrap()["role"].as_str().unwrap().to_owned()
}

/// Who says himself that he leads, in the highest term.
fn leader(cluster: &Cluster) -> Option<u64> {
    let seen: Value = serde_json::from_slice(&cluster.ctl(&["status"]).stdout).ok()?;
    let leading = seen.as_array()?.iter().filter(|member| member["status"]["state"] == "leader");
    leading.max_by_key(|member| member["status"]["term"].as_u64())?["id"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vote_is_taken_and_given_back_and_a_leader_without_one_hands_over() {
    let mut cluster = started("votes", 3, 3, &[]);
    let client = InventoryClient::new(cluster.addresses());
    receive(&client, 100).await;
    cluster.ask(&["transfer-leader", "--to", "1"]);
    cluster.refused(1, "is not a member", &["members", "demote", "--id", "9"]);
    // A follower first, then the leader.
    for id in [3, 1] {
        let demote = ["members", "demote", "--id", &id.to_string()];
        cluster.insist(&demote);
        assert_eq!(role(&cluster, id), "learner");
        cluster.insist(&demote);
        assert!(buy(&client).await);
        eventually("a leader that votes", || leader(&cluster).filter(|leader| *leader != id));
        cluster.kill(id);
        cluster.start(id, 3);
        cluster.insist(&["members", "promote", "--id", &id.to_string()]);
        assert_eq!(role(&cluster, id), "voter");
    }
    assert!(buy(&client).await);
    cluster.insist(&["hash"]);
    // With one voter away there are two left, and both are needed.
    let leads = eventually("a leader", || leader(&cluster));
    let [away, other] = [1, 2, 3].into_iter().filter(|id| *id != leads).collect::<Vec<_>>()[..] else { panic!("three nodes") };
    cluster.kill(away);
    eventually("it to be refused", || {
        let said = cluster.ctl(&["members", "demote", "--id", &other.to_string()]);
        String::from_utf8_lossy(&said.stderr).contains("no quorum").then_some(())
    });
    assert_eq!(role(&cluster, other), "voter");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_lose_the_quorum_is_refused_and_what_is_wrong_is_shown() {
    let mut cluster = started("safe", 3, 3, &[]);
    cluster.refused(1, "is not a member", &["members", "promote", "--id", "9"]);
    cluster.refused(1, "is not a voter", &["transfer-leader", "--to", "9"]);
    cluster.ask(&["transfer-leader", "--to", "2"]);
    cluster.kill(3);
    eventually("node 3 to be missed", || {
        let seen = cluster.ctl(&["status"]);
        (seen.status.code() == Some(4) && String::from_utf8_lossy(&seen.stdout).contains("\"status\": null")).then_some(())
    });
    eventually("the removal to be refused", || {
        let said = cluster.ctl(&["members", "remove", "--id", "1"]);
        String::from_utf8_lossy(&said.stderr).contains("no quorum").then_some(())
    });
    cluster.refused(4, "node 3", &["hash"]);
    let nobody = Cluster::new("nobody", 1, &[]);
    nobody.refused(3, "no node answers", &["status"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_becomes_a_new_cluster_and_a_damaged_one_does_not() {
    let cluster = started("old", 3, 3, &[]);
    let client = InventoryClient::new(cluster.addresses());
    receive(&client, 50).await;
    for _ in 0..8 {
        assert!(buy(&client).await);
    }
    let file = cluster.folder.path().join("saved.snapshot");
    cluster.ask(&["snapshot", "save", text(&file)]);
    let inspected = cluster.ask(&["snapshot", "inspect", text(&file)]);
    assert_eq!(inspected["members"].as_array().unwrap().len(), 3);
    // One SKU, the clock, eight purchases, one receipt.
    assert_eq!(inspected["records"], 11);

    let mut new = Cluster::new("new", 3, &[]);
    let peers = new.peers(3);
    let restore = |cluster: &Cluster, file: &str, id: &str, directory: &str| {
        cluster.ctl(&[
            "snapshot",
            "restore",
            file,
            "--data-dir",
            directory,
            "--cluster-id",
            "new",
            "--node-id",
            id,
            "--peers",
            &peers,
        ])
    };
    let whole = fs::read(&file).unwrap();
    let bad = cluster.folder.path().join("bad.snapshot");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    let newer = [b"SFSNAP99", &whole[8..]].concat();
    for (bytes, named) in
        [(flipped, "is damaged"), (whole[..whole.len() - 5].to_vec(), "ends too early"), (newer, "newer release")]
    {
        fs::write(&bad, bytes).unwrap();
        let refused = restore(&cluster, text(&bad), "1", text(&new.data(1)));
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(1) && said.contains(named), "{said}");
        assert!(!new.data(1).exists(), "a refused snapshot left something behind");
    }
    for id in 1..=3 {
        assert!(restore(&new, text(&file), &id.to_string(), text(&new.data(id))).status.success());
    }
    let again = restore(&new, text(&file), "1", text(&new.data(1)));
    assert!(String::from_utf8_lossy(&again.stderr).contains("is not empty"));
    for id in 1..=3 {
        // Without --bootstrap: the snapshot says who belongs to the cluster.
        new.start(id, 0);
    }
    new.insist(&["status"]);
    let client = InventoryClient::new(new.addresses());
    assert!(buy(&client).await);
    let stock = client.stock(&context(), &cup(), Consistency::Linearizable).await.unwrap().unwrap();
    assert_eq!((stock.totals.sold, stock.on_hand()), (9, 41));
    assert_eq!(new.ask(&["hash"]).as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_space_runs_out_holds_are_refused_what_is_promised_is_served_and_it_ends() {
    let cluster = started("full", 1, 1, &["--max-data-bytes", "20000000"]);
    let client = InventoryClient::new(cluster.addresses());
    receive(&client, 1_000_000).await;
    let id = ReservationId::new(Uuid::now_v7());
    client.reserve(&context(), &ReserveRequest { id, lines: lines(), ttl_ms: 600_000, memo: None }).await.unwrap();
    let given_up = ReservationId::new(Uuid::now_v7());
    client.reserve(&context(), &ReserveRequest { id: given_up, lines: lines(), ttl_ms: 600_000, memo: None }).await.unwrap();
    let impatient = client.clone().with_deadline(Duration::from_millis(300));
    let buys = async || {
        let request = PurchaseRequest { id: ReservationId::new(Uuid::now_v7()), lines: lines(), memo: None };
        impatient.purchase(&context(), &request).await.is_ok_and(|done| done.outcome == OutcomeCode::Ok)
    };
    let ballast = cluster.data(1).join("ballast");
    fs::write(&ballast, vec![1; 21_000_000]).unwrap();
    let alarm_is = |code| (cluster.ctl(&["alarms"]).status.code() == Some(code)).then_some(());
    eventually("the alarm", || alarm_is(4));
    assert!(!buys().await);
    let alarms: Value = serde_json::from_slice(&cluster.ctl(&["alarms"]).stdout).unwrap();
    assert_eq!(alarms[0]["alarm"], "no_space");
    let confirmed = client.confirm(&context(), id).await.unwrap();
    assert_eq!(confirmed.outcome, OutcomeCode::Ok, "a promise could not be kept while there was no space");
    assert_eq!(client.release(&context(), given_up).await.unwrap().outcome, OutcomeCode::Ok);
    fs::remove_file(&ballast).unwrap();
    eventually("the end of the alarm", || alarm_is(0));
    assert!(buys().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn stock_reservations_and_changes_can_be_looked_at() {
    let cluster = started("look", 3, 3, &[]);
    let client = InventoryClient::new(cluster.addresses());
    receive(&client, 3).await;
    let status = cluster.ask(&["status"]);
    let applied = status.as_array().unwrap().iter().map(|member| member["status"]["applied_index"].as_u64().unwrap());
    let token = applied.max().unwrap();
    assert!(buy(&client).await);
    assert_eq!(cluster.ask(&["stock", "cup"])[0]["locations"][0]["on_hand"], 2);
    assert_eq!(cluster.ask(&["stock"]).as_array().unwrap().len(), 1);
    let sold = cluster.ask(&["reservations"]);
    assert_eq!(sold[0]["state"], "confirmed");
    assert_eq!(cluster.ask(&["reservations", sold[0]["id"].as_str().unwrap()])[0]["lines"][0]["sku"], "cup");
    let change = cluster.ask(&["watch", "--after", &token.to_string(), "--count", "1"]);
    assert_eq!((&change["sku"], &change["version"]), (&Value::from("cup"), &Value::from(2)));
    cluster.refused(1, "ever came in", &["stock", "nothing"]);
    assert_eq!(cluster.ctl(&["members", "promote"]).status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_shows_what_moved_the_stock_and_goes_with_a_snapshot_to_another_cluster() {
    let cluster = started("ledger", 1, 1, &[]);
    let client = InventoryClient::new(cluster.addresses());
    receive(&client, 500).await;
    for _ in 0..230 {
        assert!(buy(&client).await);
    }
    // More than a page.
    let all = cluster.ask(&["ledger", "cup", "--last", "1000"]);
    let kinds: Vec<&str> = all["movements"].as_array().unwrap().iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds.len(), kinds[0]), (231, "received"));
    assert!(kinds[1..].iter().all(|kind| *kind == "purchased"));
    assert_eq!((&all["opening"]["version"], &all["closing"]["locations"][0]["on_hand"]), (&Value::from(0), &Value::from(270)));
    let sold = cluster.ask(&["reservations", "--limit", "1"]);
    assert_eq!(all["movements"][1]["id"], sold[0]["id"], "the oldest sale is the first");
    let newest = cluster.ask(&["ledger", "cup", "--last", "3"]);
    assert_eq!(newest["opening"]["locations"][0]["on_hand"], 273);
    assert_eq!(newest["movements"].as_array().unwrap()[..], all["movements"].as_array().unwrap()[228..]);
    let table = cluster.table(&["ledger", "cup", "--last", "1"]);
    assert!(["opening", "271", "purchased", "-1", "closing", "270"].iter().all(|word| table.contains(word)), "{table}");
    cluster.refused(1, "ever came in", &["ledger", "nothing"]);
    cluster.refused(1, "must not contain", &["ledger", "a/b"]);

    let file = cluster.folder.path().join("saved.snapshot");
    cluster.ask(&["snapshot", "save", text(&file)]);
    let mut new = Cluster::new("ledger-2", 1, &[]);
    let (peers, data) = (new.peers(1), new.data(1));
    let into = ["--data-dir", text(&data), "--cluster-id", "ledger-2", "--node-id", "1", "--peers", &peers];
    assert!(new.ctl(&[&["snapshot", "restore", text(&file)], &into[..]].concat()).status.success());
    new.start(1, 0);
    new.insist(&["status"]);
    assert_eq!(new.ask(&["ledger", "cup", "--last", "1000"]), all);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inventory_sheet_is_tried_taken_and_taken_only_once() {
    let cluster = started("sheet", 1, 1, &[]);
    let client = InventoryClient::new(cluster.addresses());
    receive(&client, 5).await;
    let sheet = cluster.folder.path().join("sheet.csv");
    let rows = "SKU,Location,On hand (current),On hand (new)\n\
        cup,EU 1,5,8\npot,Main Street,0,4\npot,EU 1,not stocked,not stocked\ncup,EU 1,7,9\npan,EU 1,0,-1\n";
    fs::write(&sheet, rows).unwrap();
    let import = |more: &[&str]| {
        let output = cluster.ctl(&[&["import", text(&sheet)], more].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines: Vec<u64> = report["errors"].as_array().unwrap().iter().map(|error| error["line"].as_u64().unwrap()).collect();
        let of = |name: &str| report[name].as_u64().unwrap();
        (output.status.code(), of("set"), of("unchanged"), of("passed_over"), lines)
    };
    assert_eq!(import(&["--dry-run"]), (Some(1), 2, 0, 1, vec![6, 5]));
    assert!(cluster.ask(&["stock"]).as_array().unwrap().len() == 1, "a dry run changed something");
    assert_eq!(import(&[]), (Some(1), 2, 0, 1, vec![6, 5]));
    assert_eq!(cluster.ask(&["stock", "cup"])[0]["locations"][0]["on_hand"], 8);
    assert_eq!(cluster.ask(&["stock", "pot"])[0]["locations"][0]["location"], "main-street");
    // The same sheet again: what was set was set, and what was refused stays refused.
    assert_eq!(import(&[]), (Some(1), 0, 2, 1, vec![6, 5]));
    fs::write(&sheet, "SKU,Location,On hand (current),On hand (new)\ncup,Shop,3,2\n").unwrap();
    assert_eq!(import(&["--overwrite", "--location", "Shop=eu-1"]), (Some(0), 1, 0, 0, vec![]));
    assert_eq!(cluster.ask(&["stock", "cup"])[0]["locations"][0]["on_hand"], 2);
}
