//! A real cluster: three processes of the built binary, on ports of their own, with logs that sync.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use backing_servers::free_listener;
use bytes::Bytes;
use disk_faults::{DiskFaults, TakenBack};
use http::Request;
use http_body_util::{BodyExt, Empty};
use inventory_api::{
    ClusterView, Consistency, InventoryClient, LineRequest, Outcome, OutcomeCode, PurchaseRequest, ReceiveRequest,
};
use serde::de::DeserializeOwned;
pub(crate) use storefront_service::testing::eventually;
use storefront_tls::{Connector, HttpClient, Tls, Wanted};
use storefront_types::{CallContext, CommandId, Quantity, ReservationId, Sku};
use tempfile::TempDir;
use uuid::Uuid;

use super::identities::{Identities, security};

pub(crate) struct Node {
    pub(crate) id: u64,
    pub(crate) client: String,
    pub(crate) raft: String,
    pub(crate) admin: String,
    data: PathBuf,
    /// A disk that can lose what was not synced; without, the machine's own.
    pub(crate) disk: Option<DiskFaults>,
    pub(crate) process: Option<Child>,
}

/// Processes die with it.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    pub(crate) http: reqwest::Client,
    /// Further arguments of every node.
    arguments: Vec<String>,
    /// Without, the cluster speaks plaintext.
    pub(crate) identities: Option<Identities>,
    folder: TempDir,
}

/// A port that was free a moment ago. Ports are asked for all at once, so that they differ.
fn free_ports(count: usize) -> Vec<String> {
    let listeners: Vec<_> = (0..count).map(|_| free_listener().unwrap()).collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect()
}

pub(crate) fn context() -> CallContext {
    CallContext::background(Uuid::new_v4())
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::with(&[], false).await
    }

    pub(crate) async fn with_snapshots_every(snapshot_every: u64) -> Self {
        Self::with(&["--snapshot-every", &snapshot_every.to_string()], false).await
    }

    /// With further arguments for every node, and disks that can lose what was not synced.
    pub(crate) async fn with(arguments: &[&str], faults: bool) -> Self {
        Self::made(arguments, faults, false).await
    }

    /// Over mutual TLS, with an authority of the cluster's own.
    pub(crate) async fn over_tls() -> Self {
        Self::made(&[], false, true).await
    }

    async fn made(arguments: &[&str], faults: bool, tls: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identities = tls.then(|| Identities::new(&folder.path().join("tls")));
        let mut ports = free_ports(9).into_iter();
        let mut next = || ports.next().unwrap();
        let node = |id: u64| {
            let data = folder.path().join(format!("node-{id}"));
            let disk = faults.then(|| DiskFaults::new(&data, &folder.path().join(format!("disk-{id}"))).unwrap());
            // The loaded library compares paths as the process gives them.
            let data = if faults { data.canonicalize().unwrap() } else { data };
            Node { id, client: next(), raft: next(), admin: next(), data, disk, process: None }
        };
        let nodes = (1..=3).map(node).collect();
        let arguments = arguments.iter().map(|&argument| argument.to_owned()).collect();
        let mut cluster = Self { nodes, http: reqwest::Client::new(), arguments, identities, folder };
        for at in 0..3 {
            cluster.start_node(at);
        }
        cluster.leader().await;
        cluster
    }

    pub(crate) fn start_node(&mut self, at: usize) {
        let peers: Vec<_> = self.nodes.iter().map(|n| format!("{}=r{}@{}@{}", n.id, n.id, n.client, n.raft)).collect();
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join(format!("{at}.log"))).unwrap();
        let errors = std::fs::File::create(self.folder.path().join(format!("{at}.errors"))).unwrap();
        let node = &mut self.nodes[at];
        let mut command = Command::new(env!("CARGO_BIN_EXE_inventory-raft"));
        if let Some(disk) = &node.disk {
            disk.apply(&mut command).unwrap();
        }
        let child = command
            .args([
                "--node-id",
                &node.id.to_string(),
                "--region",
                &format!("r{}", node.id),
                "--cluster-id",
                "test",
                "--bootstrap",
            ])
            .args(["--listen", &node.client, "--raft-listen", &node.raft, "--admin", &node.admin, "--peers", &peers.join(",")])
            .args(["--data-dir", node.data.to_str().unwrap()])
            .args(security(self.identities.as_ref().map(|of| &of.nodes[at])))
            .args(&self.arguments)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(errors))
            .spawn();
        node.process = Some(child.unwrap());
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, at: usize) {
        let mut process = self.nodes[at].process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Cuts the power of a node: what it had not synced is gone.
    pub(crate) fn cut_power(&mut self, at: usize) -> TakenBack {
        self.kill(at);
        self.nodes[at].disk.as_ref().unwrap().take_back().unwrap()
    }

    pub(crate) fn data_of(&self, at: usize) -> &Path {
        &self.nodes[at].data
    }

    /// SIGTERM, and waits for the exit.
    pub(crate) async fn stop(&mut self, at: usize) {
        let mut process = self.nodes[at].process.take().unwrap();
        assert!(Command::new("kill").arg(process.id().to_string()).status().unwrap().success());
        eventually("a clean stop", async || process.try_wait().unwrap()).await;
    }

    pub(crate) fn log_of(&self, at: usize) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{at}.log"))).unwrap()
    }

    /// What the node last said on its standard error.
    pub(crate) fn errors_of(&self, at: usize) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{at}.errors"))).unwrap()
    }

    pub(crate) fn addresses(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.client.clone()).collect()
    }

    fn tls(&self) -> Option<&Tls> {
        self.identities.as_ref().map(|of| &of.client)
    }

    pub(crate) fn client(&self) -> InventoryClient {
        InventoryClient::new(self.addresses()).with_tls(self.tls()).with_deadline(Duration::from_secs(15))
    }

    /// A node's own answer to a GET.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, at: usize, path: &str) -> Option<T> {
        let http = HttpClient::new(Connector::of(self.tls(), Wanted::AnyNode));
        let request = Request::get(format!("http://{}{path}", self.nodes[at].client)).body(Empty::<Bytes>::new()).unwrap();
        let body = http.send(request).await.ok()?.into_body().collect().await.ok()?;
        serde_json::from_slice(&body.to_bytes()).ok()
    }

    pub(crate) async fn view(&self, at: usize) -> Option<ClusterView> {
        self.ask(at, "/v1/cluster").await
    }

    /// Whether a node's metrics have a line that begins like this, with a number above zero.
    pub(crate) async fn counted(&self, at: usize, series: &str) -> bool {
        let url = format!("http://{}/metrics", self.nodes[at].admin);
        let text = self.http.get(url).send().await.unwrap().text().await.unwrap();
        text.lines().any(|line| line.strip_prefix(series).is_some_and(|count| count.trim() != "0"))
    }

    /// Index of a node that says itself that it leads.
    pub(crate) async fn leader(&self) -> usize {
        eventually("a leader", async || {
            for at in 0..3 {
                if let Some(view) = self.view(at).await
                    && view.leader.is_some_and(|leader| leader.id == self.nodes[at].id)
                {
                    return Some(at);
                }
            }
            None
        })
        .await
    }

    /// State hash once all running nodes have it alike, at one index. All that was acknowledged is in it: nodes that have just
    /// started are alike too, before they know what of their logs is committed.
    pub(crate) async fn level(&self) -> String {
        let any = sku("any");
        self.client().stock(&context(), &any, Consistency::Linearizable).await.unwrap();
        eventually("equal state on every node", async || {
            let mut hashes = Vec::new();
            for at in (0..3).filter(|at| self.nodes[*at].process.is_some()) {
                let body: serde_json::Value = self.ask(at, "/admin/v1/state-hash").await?;
                hashes.push((body["applied_index"].clone(), body["hash"].clone()));
            }
            hashes.windows(2).all(|pair| pair[0] == pair[1]).then(|| hashes[0].1.to_string())
        })
        .await
    }
}

impl Cluster {
    /// What each node last said, for whoever has to find out why a test failed.
    fn tell(&mut self) {
        for at in 0..self.nodes.len() {
            let exit = self.nodes[at].process.as_mut().map(|process| process.try_wait());
            let log = std::fs::read_to_string(self.folder.path().join(format!("{at}.log"))).unwrap_or_default();
            let errors = std::fs::read_to_string(self.folder.path().join(format!("{at}.errors"))).unwrap_or_default();
            eprintln!("node {}: {exit:?}\n{errors}", self.nodes[at].id);
            let lines: Vec<_> = log.lines().collect();
            lines.iter().skip(lines.len().saturating_sub(12)).for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        for node in &mut self.nodes {
            if let Some(mut process) = node.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

pub(crate) fn sku(name: &str) -> Sku {
    Sku::parse(name).unwrap()
}

pub(crate) async fn receive(client: &InventoryClient, name: &str, units: u32) -> Outcome {
    let (id, location) = (CommandId::new(Uuid::now_v7()), "eu-1".parse().unwrap());
    let request = ReceiveRequest { id, sku: sku(name), location, quantity: Quantity::new(units).unwrap() };
    client.receive(&context(), &request).await.unwrap()
}

pub(crate) fn line(name: &str, units: u32) -> LineRequest {
    LineRequest { sku: sku(name), quantity: Quantity::new(units).unwrap(), locations: Vec::new(), may_split: true }
}

pub(crate) fn purchase(id: Uuid, name: &str, units: u32) -> PurchaseRequest {
    PurchaseRequest { id: ReservationId::new(id), lines: vec![line(name, units)], memo: Some("memo".to_owned()) }
}

pub(crate) fn is_ok(outcome: &Outcome) -> bool {
    outcome.outcome == OutcomeCode::Ok
}
