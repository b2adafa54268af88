//! Three inventory nodes on free ports, alone on the machine with the load generator.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Child,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use backing_servers::{free_port, guarded};
use inventory_api::{Consistency, InventoryClient};
use storefront_types::CallContext;
use uuid::Uuid;

use crate::build::Programs;

/// Longest wait for a leader.
const START_LIMIT: Duration = Duration::from_secs(60);

/// One running node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) client: String,
    raft: String,
    admin: String,
    pub(super) data: PathBuf,
    pub(super) child: Child,
}

/// Processes and data go with it.
#[derive(Debug)]
pub(super) struct Nodes {
    pub(super) nodes: Vec<Node>,
    directory: PathBuf,
    program: PathBuf,
}

fn address() -> anyhow::Result<String> {
    Ok(format!("127.0.0.1:{}", free_port()?))
}

/// Resident memory of a process in bytes (`VmRSS` of proc_pid_status(5)).
pub(super) fn resident(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    Ok(kib.context("no VmRSS")? * 1024)
}

impl Nodes {
    /// Starts three nodes with empty directories below `directory` and waits for a leader.
    pub(super) async fn start(programs: &Programs, directory: &Path) -> anyhow::Result<Self> {
        let mut places = Vec::new();
        for id in 1..=3 {
            places.push((address()?, address()?, address()?, directory.join(format!("node-{id}"))));
        }
        let mut started = Self { nodes: Vec::new(), directory: directory.to_owned(), program: programs.path("inventory-raft") };
        let peers: Vec<String> =
            (1..).zip(&places).map(|(id, (client, raft, ..))| format!("{id}=r{id}@{client}@{raft}")).collect();
        for (id, (client, raft, admin, data)) in (1..).zip(places.clone()) {
            fs::create_dir_all(&data)?;
            let child = started.spawn(id, &client, &raft, &admin, &data, &peers.join(","))?;
            started.nodes.push(Node { client, raft, admin, data, child });
        }
        started.leader().await?;
        // A leader that was just elected serves once it has committed an entry of its own.
        let any = "any".parse::<storefront_types::Sku>()?;
        started.client().stock(&CallContext::background(Uuid::new_v4()), &any, Consistency::Linearizable).await?;
        Ok(started)
    }

    fn spawn(&self, id: usize, client: &str, raft: &str, admin: &str, data: &Path, peers: &str) -> anyhow::Result<Child> {
        let log = File::options().create(true).append(true).open(self.directory.join(format!("node-{id}.log")))?;
        let mut command = guarded(&self.program, None, "KILL");
        command.args(["--node-id", &id.to_string(), "--region", &format!("r{id}"), "--cluster-id", "bench", "--bootstrap"]);
        command.args(["--listen", client, "--raft-listen", raft, "--admin", admin, "--peers", peers, "--plaintext"]);
        command.arg("--data-dir").arg(data).stdout(log).spawn().context("inventory-raft does not start")
    }

    /// Stops a node cleanly or with SIGKILL and starts it again on its data; how long until it served.
    pub(super) async fn restart(&mut self, at: usize, cleanly: bool) -> anyhow::Result<Duration> {
        let peers: Vec<String> =
            (1..).zip(&self.nodes).map(|(id, node)| format!("{id}=r{id}@{}@{}", node.client, node.raft)).collect();
        let node = &mut self.nodes[at];
        if cleanly {
            let pid = rustix::process::Pid::from_child(&node.child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        } else {
            node.child.kill()?;
        }
        node.child.wait()?;
        let began = Instant::now();
        let (client, raft, admin, data) = (node.client.clone(), node.raft.clone(), node.admin.clone(), node.data.clone());
        self.nodes[at].child = self.spawn(at + 1, &client, &raft, &admin, &data, &peers.join(","))?;
        self.ready(at).await?;
        Ok(began.elapsed())
    }

    async fn ready(&self, at: usize) -> anyhow::Result<()> {
        let (http, began) = (reqwest::Client::new(), Instant::now());
        let url = format!("http://{}/readyz", self.nodes[at].admin);
        while !http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            ensure!(began.elapsed() < START_LIMIT, "node {} is not ready; see its log in {:?}", at + 1, self.directory);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    pub(super) fn client(&self) -> InventoryClient {
        InventoryClient::new(self.nodes.iter().map(|node| node.client.clone()).collect())
    }

    /// Which node leads.
    pub(super) async fn leader(&self) -> anyhow::Result<usize> {
        let (client, began) = (self.client().with_deadline(Duration::from_secs(2)), Instant::now());
        loop {
            let view = client.cluster(&CallContext::background(Uuid::new_v4())).await;
            let leader = view.ok().and_then(|view| view.leader);
            let at = leader.and_then(|leader| self.nodes.iter().position(|node| node.client == leader.address));
            if let Some(at) = at {
                return Ok(at);
            }
            ensure!(began.elapsed() < START_LIMIT, "no leader; see the logs in {:?}", self.directory);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Resident memory of a node in bytes.
    pub(super) fn resident(&self, at: usize) -> anyhow::Result<u64> {
        resident(self.nodes[at].child.id())
    }

    /// Bytes that a node's files take.
    pub(super) fn on_disk(&self, at: usize) -> anyhow::Result<u64> {
        fn of(directory: &Path) -> std::io::Result<u64> {
            let mut sum = 0;
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                let file = entry.metadata()?;
                sum += if file.is_dir() { of(&entry.path())? } else { std::os::unix::fs::MetadataExt::blocks(&file) * 512 };
            }
            Ok(sum)
        }
        Ok(of(&self.nodes[at].data)?)
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // Best effort: the process may be gone already.
            let _ = node.child.kill();
            let _ = node.child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}
