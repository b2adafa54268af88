//! Mutual TLS: who gets in, who is refused by which name, and certificates that change under load.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use dev_ca::DevCa;
use inventory_api::{ClientError, Consistency, InventoryClient};
use storefront_tls::{Tls, TlsPaths};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    cluster::{Cluster, context, eventually, is_ok, purchase, receive, sku},
    identities::{Identities, issue, knock, security},
};

/// Bytes of a purchase on a connection that ends with its answer.
fn purchase_of(name: &str) -> Vec<u8> {
    let body = serde_json::to_string(&purchase(Uuid::now_v7(), name, 1)).unwrap();
    let length = body.len();
    let head = "POST /v1/purchases HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length:";
    format!("{head} {length}\r\n\r\n{body}").into_bytes()
}

async fn sold(client: &InventoryClient, name: &str) -> u64 {
    client.stock(&context(), &sku(name), Consistency::Linearizable).await.unwrap().unwrap().totals.sold
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_over_mutual_tls_sells_and_outlives_its_leader() {
    let mut cluster = Cluster::over_tls().await;
    let client = cluster.client();
    receive(&client, "cup", 20).await;
    for _ in 0..5 {
        assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
    }
    let leader = cluster.leader().await;
    cluster.kill(leader);
    for _ in 0..5 {
        assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
    }
    cluster.start_node(leader);
    assert_eq!(sold(&client, "cup").await, 10);
    cluster.level().await;
    eventually("the end of the certificate in the metrics", async || {
        cluster.counted(leader, "tls_certificate_not_after_seconds").await.then_some(())
    })
    .await;
    // In plaintext nobody is heard, neither at the clients' port nor at the peers'.
    let (at, http) = (cluster.leader().await, &cluster.http);
    for address in [&cluster.nodes[at].client, &cluster.nodes[at].raft] {
        assert!(http.get(format!("http://{address}/v1/cluster")).send().await.is_err());
    }
    for port in ["client", "raft"] {
        let series = format!("tls_refused_total{{port=\"{port}\",reason=\"not_tls\"}}");
        eventually(&series, async || cluster.counted(at, &series).await.then_some(())).await;
    }
}

/// A certificate that must be refused, and by which name.
struct Wrong {
    port: &'static str,
    shows: Option<TlsPaths>,
    reason: &'static str,
    /// What the refused side hears.
    alert: &'static str,
}

fn wrong_ones(ca: &DevCa, other: &DevCa) -> Vec<Wrong> {
    let now = OffsetDateTime::now_utc();
    let hours = |from: i64, to: i64| now + time::Duration::hours(from)..now + time::Duration::hours(to);
    let client = || "storefront://test/client".parse().unwrap();
    let wrong = |port, shows, reason, alert| Wrong { port, shows, reason, alert };
    vec![
        wrong("client", None, "no_certificate", "CertificateRequired"),
        wrong("client", Some(issue(other, "stranger", "storefront://test/client")), "unknown_ca", ""),
        wrong("client", Some(issue(ca, "foreign", "storefront://elsewhere/client")), "other_cluster", ""),
        wrong("client", Some(ca.issue("expired", &client(), hours(-2, -1)).unwrap()), "expired", "CertificateExpired"),
        wrong("client", Some(ca.issue("early", &client(), hours(1, 2)).unwrap()), "not_yet_valid", ""),
        wrong("raft", None, "no_certificate", "CertificateRequired"),
        wrong("raft", Some(issue(ca, "client", "storefront://test/client")), "not_a_node", ""),
        wrong("raft", Some(issue(other, "stranger-3", "storefront://test/node/3")), "unknown_ca", ""),
        wrong("raft", Some(issue(ca, "foreign-3", "storefront://elsewhere/node/3")), "other_cluster", ""),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_right_certificate_is_refused_by_name_and_changes_nothing() {
    let cluster = Cluster::over_tls().await;
    let client = cluster.client();
    receive(&client, "cup", 10).await;
    let before = cluster.level().await;
    let (at, folder) = (cluster.leader().await, tempfile::tempdir().unwrap());
    let (node, identities) = (&cluster.nodes[at], cluster.identities.as_ref().unwrap());
    let other = DevCa::open(folder.path()).unwrap();
    let mut wrong = wrong_ones(&identities.ca, &other);
    // Two nodes of one id must not hear each other.
    wrong.push(Wrong { port: "raft", shows: Some(identities.nodes[at].clone()), reason: "own_node_id", alert: "" });
    for Wrong { port, shows, reason, alert } in wrong {
        let address = if port == "client" { &node.client } else { &node.raft };
        let heard = knock(address, shows.as_ref(), &purchase_of("cup")).await.expect_err(reason);
        assert!(heard.contains("received fatal alert") && heard.contains(alert), "{reason}: {heard}");
        let series = format!("tls_refused_total{{port=\"{port}\",reason=\"{reason}\"}}");
        // Counted when the caller has gone.
        eventually(&series, async || cluster.counted(at, &series).await.then_some(())).await;
    }
    assert!(cluster.log_of(at).contains("storefront://elsewhere/node/3 is of another cluster than storefront://test/node/"));
    // The client that services use says it in its own error, and that nothing was executed.
    let both = folder.path().join("both.pem");
    let stranger = issue(&other, "stranger", "storefront://test/client");
    fs::write(&both, [fs::read(&stranger.ca).unwrap(), fs::read(&identities.client_files.ca).unwrap()].concat()).unwrap();
    let stranger = Tls::open(TlsPaths { ca: both, ..stranger }).unwrap();
    let stranger = InventoryClient::new(cluster.addresses()).with_tls(Some(&stranger)).with_deadline(Duration::from_secs(1));
    // On a slow machine an attempt may end before it is told why, and the client says that it does not know: then it asks again.
    let asked = async |by: &InventoryClient| match by.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await {
        Err(ClientError::OutcomeUnknown { .. }) => None,
        told => Some(told),
    };
    let refused = eventually("the server's refusal", async || asked(&stranger).await).await;
    assert!(
        matches!(&refused, Err(ClientError::Untrusted { reason }) if reason.contains("it refuses this certificate")),
        "{refused:?}"
    );
    // And nobody sends a request to a server that he does not trust.
    let own = Tls::open(issue(&other, "stranger", "storefront://test/client")).unwrap();
    let own = InventoryClient::new(cluster.addresses()).with_tls(Some(&own)).with_deadline(Duration::from_secs(1));
    let refused = eventually("the client's own refusal", async || asked(&own).await).await;
    assert!(matches!(&refused, Err(ClientError::Untrusted { reason }) if reason.contains("and another key")), "{refused:?}");
    assert_eq!(cluster.level().await, before);
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
}

/// A node's vote for itself in a term far ahead: postcard of term, candidate, "not committed", no log, no transfer of leadership.
fn vote_request(cluster: &Cluster, from: usize, to: u64, candidate: u8) -> Vec<u8> {
    let identity = fs::read(cluster.data_of(from).join("identity.json")).unwrap();
    let identity: serde_json::Value = serde_json::from_slice(&identity).unwrap();
    let (from, directory) = (cluster.nodes[from].id, identity["directory"].as_str().unwrap());
    let head = "POST /raft/v1/vote HTTP/1.1\r\nhost: x\r\nconnection: close\r\nraft-cluster: test\r\ncontent-length: 6";
    let head = format!("{head}\r\nraft-to: {to}\r\nraft-from: {from}\r\nraft-directory: {directory}\r\n\r\n");
    [head.as_bytes(), &[0xe7, 0x07, candidate, 0, 0, 0]].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_speaks_for_itself_alone() {
    let cluster = Cluster::over_tls().await;
    let at = cluster.leader().await;
    let term = cluster.view(at).await.unwrap().term;
    let speaker = (at + 1) % 3;
    let certificate = &cluster.identities.as_ref().unwrap().nodes[speaker];
    let (to, node) = (cluster.nodes[at].id, &cluster.nodes[at]);
    let third = u8::try_from(cluster.nodes[(at + 2) % 3].id).unwrap();
    let answer = knock(&node.raft, Some(certificate), &vote_request(&cluster, speaker, to, third)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("another node's"), "{answer}");
    assert!(cluster.counted(at, "inventory_peers_refused_total{reason=\"speaks_for_another\"}").await);
    assert_eq!(cluster.view(at).await.unwrap().term, term);
    // The same in its own name is a request like any other: refused for its log, which is empty, and not for its name.
    let own = u8::try_from(cluster.nodes[speaker].id).unwrap();
    let answer = knock(&node.raft, Some(certificate), &vote_request(&cluster, speaker, to, own)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

fn refused_start(data: &Path, security: &[String]) -> String {
    let mut node = Command::new(env!("CARGO_BIN_EXE_inventory-raft"));
    node.args(["--node-id", "3", "--region", "r3", "--cluster-id", "test", "--raft-listen", "127.0.0.1:0"]);
    let output = node.arg("--data-dir").arg(data).args(security).output().unwrap();
    assert!(!output.status.success(), "started with {security:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_a_wrong_certificate_does_not_start_and_loses_nothing() {
    let mut cluster = Cluster::over_tls().await;
    let client = cluster.client();
    receive(&client, "cup", 10).await;
    cluster.stop(2).await;
    let data = cluster.data_of(2).to_owned();
    let Identities { ca, nodes, .. } = cluster.identities.as_ref().unwrap();
    let now = OffsetDateTime::now_utc();
    let name = "storefront://test/node/3".parse().unwrap();
    let expired = ca.issue("old-3", &name, now - time::Duration::hours(2)..now - time::Duration::hours(1)).unwrap();
    let own = nodes[2].clone();
    let with = |files: &TlsPaths, says: &str| {
        let said = refused_start(&data, &security(Some(files)));
        assert!(said.contains(says), "{says:?} is not in {said}");
    };
    with(&nodes[1], "names storefront://test/node/2, this is storefront://test/node/3");
    with(&issue(ca, "foreign-3", "storefront://elsewhere/node/3"), "names storefront://elsewhere/node/3, this is");
    with(&issue(ca, "client-3", "storefront://test/client"), "names storefront://test/client, this is");
    with(&expired, "old-3.pem: it has ended");
    with(&TlsPaths { key: nodes[1].key.clone(), ..own.clone() }, "node-2.key is not the key of");
    with(&TlsPaths { key: own.cert.clone(), ..own.clone() }, "node-3.pem has no private key in PEM");
    with(&TlsPaths { ca: data.join("nothing"), ..own.clone() }, "nothing: No such file");
    let folder = tempfile::tempdir().unwrap();
    let other = DevCa::open(folder.path()).unwrap();
    with(
        &TlsPaths { ca: issue(&other, "x", "storefront://test/client").ca, ..own.clone() },
        "has the name of the one that signed it, and another key",
    );
    let flags = |flags: &[&str], says: &str| {
        let said = refused_start(&data, &flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>());
        assert!(said.contains(says), "{says:?} is not in {said}");
    };
    flags(&[], "neither certificates nor --plaintext");
    flags(&["--tls-ca", "x", "--tls-cert", "y"], "--tls-key is missing");
    flags(&["--plaintext", "--tls-ca", "x"], "--plaintext and certificates at once");
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
    cluster.start_node(2);
    cluster.level().await;
    assert_eq!(sold(&client, "cup").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_the_address_of_another_is_not_taken_for_it() {
    let mut cluster = Cluster::over_tls().await;
    let client = cluster.client();
    receive(&client, "cup", 10).await;
    cluster.kill(2);
    let (folder, third) = (tempfile::tempdir().unwrap(), &cluster.nodes[2]);
    let mut impostor = Command::new(env!("CARGO_BIN_EXE_inventory-raft"));
    impostor.args(["--node-id", "2", "--region", "r2", "--cluster-id", "test", "--data-dir"]).arg(folder.path());
    impostor.args(["--listen", &third.client, "--raft-listen", &third.raft]);
    impostor.args(security(Some(&cluster.identities.as_ref().unwrap().nodes[1]))).stdout(Stdio::null());
    let mut impostor = impostor.spawn().unwrap();
    let refused = "tls_refused_total{port=\"outgoing\",reason=\"other_node\"}";
    eventually("the leader to see whom it has reached", async || {
        (cluster.counted(0, refused).await || cluster.counted(1, refused).await).then_some(())
    })
    .await;
    let said = [0, 1].map(|at| cluster.log_of(at)).concat();
    assert!(said.contains("storefront://test/node/2 is not node 3"));
    assert!(is_ok(&client.purchase(&context(), &purchase(Uuid::now_v7(), "cup", 1)).await.unwrap()));
    impostor.kill().unwrap();
    impostor.wait().unwrap();
    cluster.start_node(2);
    cluster.level().await;
    assert_eq!(sold(&client, "cup").await, 1);
}
